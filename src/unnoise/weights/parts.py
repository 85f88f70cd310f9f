"""What a file of ours says of its modules: by role, the registry's name and the settings of each.

Such statements stand in a safetensors file's metadata. A whole model has them under `unnoise` (families/native.py); a
file of single parts, such as a codec, an upscaler or a judge, under `unnoise-parts`: JSON with `format`, `parts` (role
-> {"name", "config"}) and `facts` for people; beside it `vocabulary`, a tokenizer's own JSON, where there is one. The
tensors of a role are named `ROLE.*`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin

from unnoise.core.error import Refused
from unnoise.core.registry import field_types
from unnoise.weights.header import Header, read_header

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from unnoise.weights.place import Place

FORMAT = 1
KEY = "unnoise-parts"
COUNTS = ("depth", "blocks", "singles")

Stated = Mapping[str, Any]


def holds(header: Header) -> tuple[str, ...]:
    """The roles that a file of single parts holds; none where it is no such file."""
    return tuple(roles(header)) if KEY in header.metadata else ()


def held(path: Path) -> tuple[str, ...]:
    """The roles that a file of single parts holds; none where it is no such file, or is damaged."""
    try:
        return holds(read_header(path))
    except Refused:
        return ()


def facts(header: Header) -> dict[str, str]:
    """What a file of single parts says of itself to people."""
    return {str(k): str(v) for k, v in _read(header, KEY).get("facts", {}).items()}


def roles(header: Header) -> Stated:
    """The statements of a file of ours, by role: of single parts, or of a whole model.

    Raises:
        Refused: it is neither, its statements are damaged, or a newer unnoise wrote it.
    """
    if KEY in header.metadata:
        return cast(Stated, _read(header, KEY)["parts"])
    if "unnoise" in header.metadata:
        return _read(header, "unnoise")
    raise Refused(f"{header.path} does not say what it holds", "it is none of our files", "model")


def read_part(path: Path, role: str, known: Mapping[str, Any], place: "Place", *more: Any) -> "nn.Module":
    """The module of a role, ready to run: out of a file of single parts, or out of a whole model.

    Args:
        known: the registry that the role's names belong to.
        more: what its class takes after its config.

    Raises:
        Refused: the file holds no such role, or is damaged.
    """
    from unnoise.weights.store import read_tensors

    header = read_header(path)
    stated = roles(header)
    if role not in stated:
        held = ", ".join(holds(header)) or "a whole model"
        raise Refused(f"{path} holds no {role}", f"it holds {held}", "model")
    check_counts(stated, header, (role,))
    return build(stated, role, known, read_tensors(path), place, *more)


def export_parts(
    modules: "Mapping[str, nn.Module]", dtype: "torch.dtype", said: Mapping[str, str], vocabulary: str = ""
) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Tensors and metadata of a file that `read_part` reads back.

    Args:
        modules: by role.
        dtype: what floating-point tensors are stored as.
        said: facts for people.
        vocabulary: a tokenizer's JSON.
    """
    stated = {"format": FORMAT, "parts": {role: statement(m) for role, m in modules.items()}, "facts": dict(said)}
    tensors = {f"{role}.{name}": v for role, module in modules.items() for name, v in module.state_dict().items()}
    metadata = {KEY: json.dumps(stated, sort_keys=True)} | ({"vocabulary": vocabulary} if vocabulary else {})
    return stored_as(tensors, dtype), metadata


def stored_as(tensors: "Mapping[str, Tensor]", dtype: "torch.dtype") -> "dict[str, Tensor]":
    """The tensors with those of floating point in a type."""
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in tensors.items()}


def statement(module: "nn.Module") -> dict[str, Any]:
    """What a file says of a module: the name of the file its class stands in, and its settings."""
    return {"name": type(module).__module__.rsplit(".", 1)[-1], "config": asdict(cast(Any, module).config)}


def build(
    stated: Stated, role: str, known: Mapping[str, Any], tensors: "Mapping[str, Tensor]", place: "Place", *more: Any
) -> "nn.Module":
    """A role's module, filled.

    Raises:
        Refused: its name is unknown, its settings are, or its tensors do not fit.
    """
    from unnoise.weights.place import filled

    kind = named(stated, role, known)
    config = settings(stated, role, kind.Config)
    return filled(lambda: kind(config, *more), tensors, f"{role}.", place)


def named(stated: Stated, role: str, known: Mapping[str, Any]) -> Any:
    """What the registry has under a role's name.

    Raises:
        Refused: it has no such name.
    """
    said = stated.get(role)
    name = said.get("name") if isinstance(said, dict) else None
    if not isinstance(name, str) or name not in known:
        raise Refused(f"the model's {role} {name!r} is unknown", "upgrade unnoise, or check the file", "model")
    return known[name]


def settings(stated: Stated, role: str, kind: Any) -> Any:
    """A role's settings as a config of this kind.

    Raises:
        Refused: they are not its fields.
    """
    try:
        said = stated[role].get("config", {}).items()
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in said}
        made, types = kind(**given), field_types(kind)
    except (TypeError, AttributeError) as error:
        raise Refused(f"the model's {role} has settings we do not know", str(error)[:120], "model") from None
    if wrong := next((name for name, value in given.items() if not _fits(value, types[name])), ""):
        raise Refused(f"the model's {role} states {wrong} {str(given[wrong])[:60]!r}", "the file is damaged", "model")
    return made


def _fits(value: Any, kind: Any) -> bool:
    """Whether a JSON value, a list of which is a tuple, is of a field's type."""
    inner, origin = get_args(kind), get_origin(kind)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(v, inner[0]) for v in cast(tuple[Any, ...], value))
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if inner:
        return any(_fits(value, each) for each in inner)
    return type(value) is kind or (kind is float and type(value) is int)


def check_counts(stated: Stated, header: Header, which: Sequence[str]) -> None:
    """Every block has tensors of its own, so a file cannot mean more blocks than it holds tensors.

    Raises:
        Refused: it says so all the same; building its network would take for ever.
    """
    for role in which:
        part = stated.get(role)
        said = part.get("config") if isinstance(part, dict) else None
        for name, value in said.items() if isinstance(said, dict) else ():
            if name in COUNTS and not (isinstance(value, int) and value <= len(header.tensors)):
                raise Refused(f"{header.path}: its {role} states {name} {value!r}", "the file is damaged", "model")


def _read(header: Header, key: str) -> dict[str, Any]:
    try:
        stated = json.loads(header.metadata[key])
        version = int(stated["format"])
        stated["parts" if key == KEY else "description"].items()
        stated.get("facts", {}).items()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Refused(f"{header.path}: its own description cannot be read", "the file is damaged", "model") from None
    if version > FORMAT:
        raise Refused(f"{header.path} was written by a newer unnoise", "upgrade unnoise to read it", "model")
    return stated
