"""A published model in a file of our own: what the file's metadata say, checked before anything is built of it.

One safetensors file holds all that the model needs. Its metadata have `unnoise`, JSON with

- `family`: the file of this folder that knows such models, whose constants they are;
- `description`: the fields of a `Description` that follow from nothing else, as `native` has them;
- `noising`: the fields of a `Noising` less its default sampler, which stands in the description;
- `parts`: for each network, by its slot's name, the registry `name`, every field of its `config`, and whether it is
  `trimmed`. Its tensors are named by the slot, a dot, and their own names;
- `tokenizers`: by folder as in diffusers' layout, the name of the metadata that hold the tokenizer's own JSON
  (`vocabulary`), and the tokens that begin, end and fill up its rows;
- `scheduler` and `index`: what a diffusers folder said in scheduler_config.json and, beside its parts, in
  model_index.json.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from unnoise.core.error import Refused
from unnoise.families import FAMILIES
from unnoise.families._family import Family
from unnoise.families._noising import CURVES, PREDICTIONS, ROWS, Noising, noising
from unnoise.families._source import Reading, Slot, Source, Stored
from unnoise.families.native import said_of
from unnoise.spacings import SPACINGS
from unnoise.weights.header import Header
from unnoise.weights.maps._settings import MOST, bad, flag, number, one_of, whole
from unnoise.weights.parts import roles


@dataclass(frozen=True, kw_only=True)
class Own:
    """What a file of our own format says of a published model.

    Args:
        family: the model's.
        description: the fields of its `Description` that follow from nothing else.
        noising: how its data become noise.
        parts: its networks, by their slots' names.
        tokenizers: by folder as in diffusers' layout, the `vocabulary` that the metadata hold under that name, the
            `begin`, `end` and `pad` of its rows, and how many tokens its encoder knows, the `limit`.
    """

    family: str
    description: Mapping[str, Any]
    noising: Noising
    parts: Mapping[str, Stored]
    tokenizers: Mapping[str, Mapping[str, Any]]


DESCRIBED = ("title", "width", "height", "largest", "defaults")
"""What of a description is stated; the rest follows from the family and the networks' settings."""
LONGEST = 1000
"""The most entries of a list among settings, and the most layers of a network."""
COUNTS = ("depth", "singles", "middle", "blocks", "extra", "vocabulary")
KINDS: Mapping[str, type] = {**dict.fromkeys(COUNTS, int), "widths": tuple, "depths": tuple, "guidance": bool}
"""Settings that are looked at before the network is built, and what they are."""


def own_source(source: Source, reading: Reading) -> Source:
    """The source as its file says, where that holds a published model in our own format; else as it is.

    Raises:
        Refused: the file's statements are damaged, a newer unnoise wrote them, or it is told another family.
    """
    if "unnoise" not in source.metadata or source.whole is None:
        return source
    header = source.whole.header
    said = roles(header)
    if "family" not in said:
        return source
    name = said["family"]
    if not isinstance(name, str) or name not in FAMILIES or not FAMILIES[name].slots:
        raise Refused(f"{header.path} holds a model of the unknown family {str(name)[:60]!r}", _UPGRADE, "model")
    if reading.family not in ("", name):
        raise Refused(f"{header.path} says itself that its family is {name}", "leave --family out", "family")
    family, known = FAMILIES[name], said_of(header)
    parts, course = _parts(header, said, family), stated_noising(_table(header, said, "noising"))
    own = Own(
        family=name,
        description={field: known[field] for field in DESCRIBED if field in known},
        noising=course,
        parts=parts,
        tokenizers=_tokenizers(header, said, family, parts),
    )
    index, scheduler = _table(header, said, "index"), said.get("scheduler")
    if scheduler is not None:
        noising(_table(header, said, "scheduler"), course)  # refuses what no folder may say
    if not all(isinstance(value, str | bool | None) for value in index.values()):
        raise _damaged(header, "index")
    return replace(source, own=own, scheduler=scheduler, index=index)


def _parts(header: Header, said: Mapping[str, Any], family: Family) -> dict[str, Stored]:
    stated, made = _table(header, said, "parts"), dict[str, Stored]()
    slots = {slot.name for slot in family.slots}
    for name in stated:
        part = _table(header, stated, name)
        trimmed = part.get("trimmed", False)
        if name not in slots or not isinstance(trimmed, bool):
            raise _damaged(header, name)
        settings = Settings(header, name, _table(header, part, "config"))
        made[name] = Stored(header, f"{name}.", own=settings, trimmed=trimmed)
    return made


class Settings(dict[str, Any]):
    """A network's settings as a file states them.

    Raises:
        Refused: one is of no kind that settings are, or says that the network is larger than its file; later, when one
            is asked for that is not stated.
    """

    def __init__(self, header: Header, part: str, said: Mapping[str, Any]) -> None:
        super().__init__({k: tuple(cast(list[Any], v)) if isinstance(v, list) else v for k, v in said.items()})
        self.header, self.part = header, part
        wrong = next((name for name, value in self.items() if not _sound(value, KINDS.get(name))), "")
        if wrong or self._blocks() > min(len(header.tensors), LONGEST):
            raise _damaged(header, f"{part}'s {wrong or 'count of layers'}")

    def __missing__(self, name: str) -> Any:
        raise _damaged(self.header, f"{self.part}'s {name}")

    def _blocks(self) -> int:
        """How many layers there are to build, at least: each has tensors of its own."""
        along = sum(self.get(name, 0) for name in COUNTS[:3])
        return along + self.get("blocks", 0) * max(len(self.get("widths", ())), sum(self.get("depths", ())))


def _sound(value: Any, kind: type | None) -> bool:
    """Whether a setting is a plain value that is not beyond all, and of a kind."""
    if kind is not None and type(value) is not kind:
        return False
    if isinstance(value, tuple):
        many = cast(tuple[Any, ...], value)
        return len(many) <= LONGEST and all(_sound(v, None) and not isinstance(v, str | tuple) for v in many)
    if isinstance(value, int):
        return 0 <= value <= MOST
    if isinstance(value, float):
        return abs(value) <= MOST  # which no NaN is
    return isinstance(value, str) and len(value) <= LONGEST


def _tokenizers(
    header: Header, said: Mapping[str, Any], family: Family, parts: Mapping[str, Stored]
) -> dict[str, Mapping[str, Any]]:
    """The tokenizer of every text encoder that there is.

    Raises:
        Refused: one is missing, or its rows have marks that its encoder does not know.
    """
    stated, made = _table(header, said, "tokenizers"), dict[str, Mapping[str, Any]]()
    for slot in family.slots:
        if slot.kind not in ("clip", "t5") or slot.name not in parts:
            continue
        folder, limit = _folder(slot), cast(Mapping[str, Any], parts[slot.name].own)["vocabulary"]
        found = _table(header, stated, folder)
        marks = [found.get("begin"), found.get("end"), found.get("pad")]
        known = all(type(mark) is int and 0 <= mark < limit for mark in marks[marks[0] is None :])
        if not known or not isinstance(found.get("vocabulary"), str):
            raise _damaged(header, folder)
        made[folder] = {**found, "limit": limit}
    return made


def _folder(slot: Slot) -> str:
    """The folder of a text encoder's tokenizer, in diffusers' layout."""
    return slot.folder.replace("text_encoder", "tokenizer")


def _table(header: Header, said: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(found := said.get(name), dict):
        raise _damaged(header, name)
    return cast(dict[str, Any], found)


def _damaged(header: Header, what: str) -> Refused:
    return Refused(f"{header.path} does not state its {what[:60]} as it should", "the file is damaged", "model")


_UPGRADE = "upgrade unnoise, or check the file"


def stated(course: Noising) -> dict[str, Any]:
    """The same as JSON values, less the default sampler and its habit, which are a request's."""
    betas = _stated_betas(course.betas) if course.path == "betas" else {}
    said = asdict(replace(course, betas=betas))
    return {name: value for name, value in said.items() if name not in ("sampler", "habit")}


def stated_noising(said: Mapping[str, Any]) -> Noising:
    """What `stated` gave.

    Raises:
        Refused: a value is none that it gives.
    """
    path = one_of(said, "path", ("betas", "straight"), "betas")
    spacing, betas = said.get("spacing"), said.get("betas")
    if not isinstance(spacing, str) or not isinstance(betas, dict):
        raise bad("spacing and betas", (spacing, betas), "a text and a table")
    SPACINGS.make(spacing)
    return Noising(
        path="straight" if path == "straight" else "betas",
        betas=_stated_betas(cast(dict[str, Any], betas)) if path == "betas" else {},
        prediction=one_of(said, "prediction", tuple(PREDICTIONS.values()), "epsilon"),
        rounded=flag(said, "rounded", False),
        spacing=spacing,
    )


def _stated_betas(said: Mapping[str, Any]) -> dict[str, Any]:
    start, end, rows = number(said, "start", 0), number(said, "end", 0), whole(said, "rows", 1000, least=2)
    if not 0 < start <= end < 1 or rows > ROWS:
        raise bad("betas", said, "numbers between 0 and 1")
    return {
        "curve": one_of(said, "curve", tuple(CURVES.values()), "scaled_linear"),
        "start": start,
        "end": end,
        "rows": rows,
        "zero_terminal_snr": flag(said, "zero_terminal_snr", False),
        "between": one_of(said, "between", ("sigma", "log_sigma"), "log_sigma"),
    }
