"""The adapters and embeddings that a request asks for: checked, put onto its model, and told of. Imports no torch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unnoise.adapters.control import parsed_control
from unnoise.adapters.strength import parsed
from unnoise.core.error import Refused

if TYPE_CHECKING:
    from unnoise.core.model import Library, Model
    from unnoise.tasks._plan import Plan

MOST = 64


def check_adapters(specs: Sequence[str], field: str) -> tuple[str, ...]:
    """Adapters with their strengths, written out.

    Raises:
        Refused: one cannot be read, is there twice, or they are too many.
    """
    if isinstance(specs, str):
        raise Refused(f"{field} is one text, {specs[:60]!r}", "give a tuple of them", field)
    found = [parsed(spec, field) for spec in specs]
    if len(found) > MOST:
        raise Refused(f"--{field} is given {len(found)} times", f"at most {MOST}", field)
    names = [each.name for each in found]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise Refused(f"--{field} {twice[:80]!r} is given twice", "give it once, at the strength you want", field)
    return tuple(map(str, found))


def check_embeddings(names: Sequence[str]) -> tuple[str, ...]:
    """The names of embeddings.

    Raises:
        Refused: one is empty or there twice, or they are too many.
    """
    if isinstance(names, str):
        raise Refused(f"embedding is one text, {names[:60]!r}", "give a tuple of them", "embedding")
    for name in names:
        if not name or "\0" in name or list(names).count(name) > 1 or len(names) > MOST:
            what = f"--embedding {name[:80]!r} is no file's name, or given twice"
            raise Refused(what, "name each file once", "embedding")
    return tuple(names)


def adapted(plan: "Plan", model: "Model", library: "Library") -> "Model":
    """The model with all of them on; the one given stays as it is.

    Raises:
        Refused: one is not there, or does not fit the model.
    """
    if plan.lora:
        from unnoise.adapters.attach import attach

        wanted = [parsed(spec) for spec in plan.lora]
        model = attach(model, [(library.adapter(each.name), each.strength) for each in wanted])
    if plan.embedding:
        from unnoise.adapters.textual_inversion import embedded

        model = embedded(model, [library.embedding(name) for name in plan.embedding])
    return model


def files_of(
    lora: Sequence[str], embedding: Sequence[str], control: Sequence[str], library: "Library"
) -> dict[str, str]:
    """The file of each adapter, embedding and ControlNet -> its sha256."""
    held = {each: library.adapter(each) for each in (parsed(spec).name for spec in lora)}
    read = {each: library.embedding(each) for each in embedding}
    steers = {each: library.control(each) for each in (parsed_control(spec).name for spec in control)}
    found: dict[str, str] = {}
    for name, thing in [*held.items(), *read.items(), *steers.items()]:
        for file, digest in thing.files.items():
            found[file if found.get(file, digest) == digest else f"{name}/{file}"] = digest
    return found


def told(request: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """A request's adapters or embeddings, which may be a stranger's; none where they are no texts."""
    said = request.get(field)
    return tuple(each for each in said if isinstance(each, str)) if isinstance(said, list | tuple) else ()
