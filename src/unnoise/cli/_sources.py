"""Where a request's fields come from when they are not given: a picture, a paused run, a preset."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from unnoise.catalogue import describe, holding, is_path, models
from unnoise.cli import _adapters as adapters
from unnoise.cli import _presets as presets
from unnoise.cli._places import user_path
from unnoise.cli._request import HIDDEN, Source
from unnoise.cli._shelf import refuse_paths
from unnoise.core.error import Refused
from unnoise.media.record import Record
from unnoise.samplers import SAMPLERS
from unnoise.spacings import SPACINGS
from unnoise.tasks._control import pictures_of
from unnoise.tasks._plan import check_side
from unnoise.tasks._request import fits
from unnoise.tasks.generate import Generate

if TYPE_CHECKING:
    from unnoise.core.state import Paused

_TAKEN = {"Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Prompt", "Negative prompt", "Version"}
_MODEL = {"Model", "Model hash"}


@dataclass(frozen=True)
class Base:
    """What a request starts from.

    Args:
        fields: of the request.
        notes: what could not be taken over, one sentence each.
        start: the paused run to go on from.
        draft: the record of the picture to make again with more steps.
        reading: how the files of the model that they name were read, as its record says.
    """

    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()
    start: "Paused | None" = None
    draft: Record | None = None
    reading: Mapping[str, Any] = field(default_factory=dict[str, Any])


def base(source: Source, said: Mapping[str, Any]) -> Base:
    """What the source that is named gives; nothing where none is.

    Args:
        said: the fields given on the command line, which count more.
    Raises:
        Refused: there are two, or the one cannot be read.
    """
    source.check()
    if source.preset is not None:
        return Base(presets.load(source.preset))
    if source.like is not None:
        return like(source.like, said)
    if source.resume is not None:
        return _resume(source.resume, said)
    return _refine(source.refine, said) if source.refine is not None else Base()


def like(word: str, said: Mapping[str, Any]) -> Base:
    """The settings of a picture: by our own record, or as far as another program's text can be honoured.

    Raises:
        Refused: it has none.
    """
    from unnoise.media.embed import read_metadata
    from unnoise.media.foreign import told
    from unnoise.media.record import from_json

    path = user_path(word, "--like")
    texts = read_metadata(path)
    if "unnoise" in texts:
        record = from_json(texts["unnoise"])
        if record.task == "upscale":
            what = f"{path} was made of another picture, which its record does not hold"
            raise Refused(what, "name the picture it was made of", "like")
        return _with_notes(record, said)
    if (found := told(texts)) is None:
        raise Refused(f"{path} does not tell how it was made", "name a picture that carries its settings", "like")
    return _foreign(found, texts, said)


def _with_notes(record: Record, said: Mapping[str, Any]) -> Base:
    notes = list[str]()
    if record.task != "generate":
        notes.append(f"the picture was made by '{record.task[:40]}'; of that, only what 'generate' has is taken over")
    if unknown := [k for k in record.request if k not in _known() and k not in HIDDEN]:
        notes.append(f"not taken over: {', '.join(unknown)[:200]}")
    if record.past:
        notes.append("another request had begun the picture, and is not repeated; 'unnoise replay' does that")
    values = recorded(record, said)
    if "model" not in said and not _same_weights(values["model"], record):
        notes.append(f"the model '{values['model']}' has other weights than the picture's")
    return Base(values, tuple(notes), reading=_reading(record, said))


def _reading(record: Record, said: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a record's model is read; nothing where another is given."""
    return {} if said.get("model") else record.reading


def _same_weights(name: str, record: Record) -> bool:
    try:
        return set(describe(name).files.values()) <= set(record.files.values())
    except Refused:  # the request itself will say so
        return True


def _known() -> set[str]:
    return {f.name for f in fields(Generate)} - set(HIDDEN)


def recorded(record: Record, said: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that ask for a record's picture again, every default filled in.

    Raises:
        Refused: its model is not here by its name or its weights, and no other is given; or its guidance names a file.
    """
    found = {k: v for k, v in record.request.items() if k in _known() and fits(Generate, k, v)}
    found |= {"sampler": record.sampler, "guidance": record.guidance, "seed": record.seed, "count": 1}
    found |= {"width": record.width, "height": record.height, "model": said.get("model") or model_of(record)}
    if record.spacing:
        found["spacing"] = record.spacing
    found |= {name: value for name, value in adapters.fields(record).items() if name not in said}
    if (pictures := pictures_of(found)) and "control" not in said:
        what = f"a ControlNet looked at another picture, whose pixels' sha256 is {pictures[0][:12]}"
        raise Refused(what, "give --control again, with that picture or another", "control")
    if "guidance" not in said:
        refuse_paths(record, way=False)
    return found


def model_of(record: Record) -> str:
    """The model here that a record's picture was made with; failing that, one of its name.

    Raises:
        Refused: there is neither.
    """
    named = [v for k, v in record.files.items() if record.model in (k, PurePath(k).stem)]
    digests = named or list(record.files.values())
    if name := holding(digests, record.model):
        return name
    try:
        if not is_path(record.model):
            return describe(record.model).name
    except Refused:
        pass
    # Of a folder, the network's own: never an adapter's, nor another part's.
    networks = [digest for file, digest in record.files.items() if file.startswith(("unet/", "transformer/"))]
    known = next((f" (sha256 {digest[:12]})" for digest in (*named, *networks)), "")
    what = f"the picture's model '{record.model[:60]}'{known} is not here"
    raise Refused(what, "name its file with --model", "model")


def _foreign(found: Any, texts: Mapping[str, str], said: Mapping[str, Any]) -> Base:
    """Another program's settings, as far as they mean something here."""
    from unnoise.media.foreign._told import table
    from unnoise.media.infotext import parse_parameters

    values, lost = dict[str, Any](found.request()), list[str]()
    for name, known in (("sampler", SAMPLERS), ("spacing", SPACINGS)):
        if name in values and name not in said:
            try:
                values[name] = known.resolve(str(values[name]))
            except Refused:
                head, _, last = str(values[name]).rpartition(" ")
                if not (name == "sampler" and head and last.lower() in SPACINGS.names and _resolves(head)):
                    lost.append(f"{name} {str(values.pop(name))[:40]!r}")
    text = texts.get("parameters", "")
    keys = {} if table(text) else parse_parameters(text)
    lost += [f"{k} {v[:40]!r}" for k, v in keys.items() if k not in _TAKEN | _MODEL and v]
    if found.strength not in (None, 1) and "Denoising strength" not in keys:
        lost.append(f"strength {found.strength:g}")
    if found.model and "model" not in said:
        if found.model in models():
            values["model"] = found.model
        else:
            lost.append(f"model {found.model[:60]!r}")
    lost += _lost_size(values, said)
    notes = [f"the picture is {found.program}'s; noise and weights differ, so expect another picture"]
    return Base(values, (*notes, *([f"not taken over: {', '.join(lost)}"[:600]] if lost else [])))


def _lost_size(values: dict[str, Any], said: Mapping[str, Any]) -> list[str]:
    """Takes a size out of the values that the model here cannot make, so that its own holds; what is lost."""
    sides = {k: values[k] for k in ("width", "height") if k in values}
    if {"width", "height"} <= said.keys():
        return []
    try:
        model = describe(str(said.get("model") or values.get("model") or Generate.model))
    except Refused:  # the request itself will say so
        return []
    try:
        for name, value in sides.items():
            check_side(value, value, model, name)
    except Refused:
        for name in sides:
            del values[name]
        return [f"size {'x'.join(map(str, sides.values()))}, which '{model.name}' cannot make"]
    return []


def _resolves(sampler: str) -> bool:
    try:
        return bool(SAMPLERS.resolve(sampler))
    except Refused:
        return False


def _resume(word: str, said: Mapping[str, Any]) -> Base:
    from unnoise.weights.paused import read

    paused, _ = read(user_path(word, "--resume"))
    return Base(recorded(paused.record, said), start=paused, reading=_reading(paused.record, said))


def _refine(word: str, said: Mapping[str, Any]) -> Base:
    from unnoise.media.embed import read_record

    path = user_path(word, "--refine")
    record = read_record(path)
    if record is None:
        raise Refused(f"{path} has no record to go on from", "name a picture as unnoise wrote it", "refine")
    if record.task != "generate":
        raise Refused(f"{path} was made by '{record.task[:40]}', which cannot be refined", "make it again", "refine")
    refuse_paths(record)
    finer = {k: v for k, v in recorded(record, said).items() if k != "steps"}
    return Base(finer, draft=record, reading=_reading(record, said))
