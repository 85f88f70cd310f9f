"""What a picture says of how it was made: enough to make it again.

A record is JSON at rest: sorted, ASCII only (so that a NUL or half a surrogate pair in a prompt survives any carrier),
with `"unnoise": 1` for its version. `embed` puts it into files, `infotext` tells it in AUTOMATIC1111's words.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NoReturn, cast

from unnoise.core.error import Refused

VERSION = 1
LIMIT = 4 * 2**20
"""The most characters that a record may have when read: a stranger's file may hold anything."""

LEGS = 100
"""The most requests that a picture may have been begun with."""

Mark = tuple[str, float, float, float, float]
"""What a record keeps of x after a step."""
_SEALED = ("task", "model", "files", "seed", "levels", "sampler", "spacing", "guidance", "width", "height", "past")


@dataclass(frozen=True, kw_only=True)
class Record:
    """How a picture was made.

    Args:
        task: the task's name, such as "generate".
        request: the task's fields as JSON values; pictures and states in it are content hashes.
        model: the model's name.
        files: each weight file's name -> its sha256, in hexadecimal. The key that is the model's name, with or without
            a suffix, is the checkpoint itself.
        seed: this picture's seed.
        levels: the noise levels visited, first to last, as (t, alpha, sigma).
        sampler, spacing, guidance: specs, such as "ddim:eta=0.5" or "7.5".
        width, height: in pixels.
        versions: of what computed it: "unnoise", "torch".
        device, dtype, exact: as the library was made with.
        reading: what had to be said for the model's files to be read: its `family`, and `ignore_keys`, patterns of the
            names of tensors that were left over.
        epoch: the numerics epoch, which changes when any golden picture does.
        pixels: the sha256 of the pixels, as `image.pixels_sha256` gives it.
        composite: whether it holds parts of a given picture (inpainting, say), and not the model's work alone.
        notes: what else a person should know, one sentence each: that a long prompt was split, for one.
        past: the requests it was begun with, where another took over on the way: first to last, each as
            {"request": ..., "until": the step it was left at}.
        trail: x after every step, as a short digest and four numbers whose changes tell how far two runs are apart.
        seal: each field that decides the picture -> a short digest of its value when the picture was made.
    """

    task: str
    request: Mapping[str, Any]
    model: str
    files: Mapping[str, str]
    seed: int
    levels: tuple[tuple[float, float, float], ...]
    sampler: str
    spacing: str
    guidance: str
    width: int
    height: int
    versions: Mapping[str, str]
    device: str
    dtype: str
    exact: bool
    epoch: int
    pixels: str
    composite: bool = False
    reading: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()
    past: tuple[Mapping[str, Any], ...] = ()
    trail: tuple[Mark, ...] = ()
    seal: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        # Plain JSON values from the start: a record then equals itself read back, and a fault shows where it is made.
        request = json.loads(json.dumps(dict(self.request), allow_nan=False))
        object.__setattr__(self, "request", request)
        object.__setattr__(self, "files", dict(self.files))
        object.__setattr__(self, "versions", dict(self.versions))
        object.__setattr__(self, "levels", tuple((float(t), float(a), float(s)) for t, a, s in self.levels))
        object.__setattr__(self, "reading", json.loads(json.dumps(dict(self.reading))))
        object.__setattr__(self, "notes", tuple(self.notes))
        past = json.loads(json.dumps([dict(leg) for leg in self.past], allow_nan=False))
        object.__setattr__(self, "past", tuple(past))
        object.__setattr__(self, "trail", tuple((d, *map(float, sketch)) for d, *sketch in self.trail))
        object.__setattr__(self, "seal", dict(self.seal))

    def values(self) -> dict[str, Any]:
        """Its fields as JSON values, without the version, and without what most records have nothing of."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) or f.name != "reading"}

    def sealed(self) -> "Record":
        """The same record with the digests by which a later change of it is known."""
        return replace(self, seal=self._digests())

    def altered(self) -> tuple[str, ...]:
        """The fields that are no longer what they were when the picture was made; none where it has no seal."""
        now = self._digests()
        return tuple(sorted(k for k in self.seal.keys() | now.keys() if self.seal and self.seal.get(k) != now.get(k)))

    def _digests(self) -> dict[str, str]:
        values: dict[str, Any] = {k: getattr(self, k) for k in _SEALED}
        values |= {"reading": self.reading} if self.reading else {}
        for name, value in self.request.items():
            values[name] = [value, values[name]] if name in values else value
        texts = {k: json.dumps(v, sort_keys=True) for k, v in values.items()}
        return {k: hashlib.sha256(t.encode()).hexdigest()[:8] for k, t in texts.items()}

    def json(self) -> str:
        """The canonical text: equal records give equal texts, of printable ASCII only."""
        values = {"unnoise": VERSION, **self.values()}
        return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


_KINDS: dict[str, type] = {
    **dict.fromkeys(("task", "model", "sampler", "spacing", "guidance", "device", "dtype", "pixels"), str),
    **dict.fromkeys(("seed", "width", "height", "epoch"), int),
    **dict.fromkeys(("exact", "composite"), bool),
    **dict.fromkeys(("request", "files", "versions", "seal", "reading"), dict),
    **dict.fromkeys(("levels", "notes", "past", "trail"), list),
}
_OPTIONAL = ("composite", "reading", "notes", "past", "trail", "seal")


def from_json(text: str) -> Record:
    """The record that `Record.json` wrote.

    Raises:
        Refused: if the text is no record, is damaged, or was written by a newer version.
    """
    if len(text) > LIMIT:
        _refuse(f"is longer than {LIMIT} characters")
    try:
        values: Any = json.loads(text)
        if not isinstance(values, dict):
            _refuse("is no JSON object")
        return _from_values(cast(dict[str, Any], values))
    except Refused:
        raise
    except (ValueError, RecursionError):  # not JSON; numbers beyond a float's range; brackets without end
        _refuse("is no sound JSON")


def _from_values(values: dict[str, Any]) -> Record:
    version = values.pop("unnoise", None)
    if type(version) is int and version > VERSION:
        raise Refused(f"the picture's record has version {version}", "read it with a newer unnoise")
    if type(version) is not int or version != VERSION:
        _refuse("has no version")
    if unknown := sorted(values.keys() - _KINDS.keys()):
        _refuse(f"has unknown fields: {', '.join(unknown)[:100]!r}")
    for name, value in values.items():
        if type(value) is not _KINDS[name]:
            _refuse(f"has a {name} that is no {_KINDS[name].__name__}")
    if missing := [f for f in _KINDS if f not in values and f not in _OPTIONAL]:
        _refuse(f"lacks {', '.join(missing)}")
    texts = [*values["files"].values(), *values["versions"].values(), *values.get("notes", [])]
    if not all(isinstance(v, str) for v in (*texts, *values.get("seal", {}).values())):
        _refuse("has a file, a version, a note or a seal that is no text")
    if not all(_is_said(k, v) for k, v in values.get("reading", {}).items()):
        _refuse("has a reading that is no family and patterns")
    if not all(_is_level(v) for v in values["levels"]):
        _refuse("has a level that is not three numbers")
    if len(values.get("past", ())) > LEGS:
        _refuse(f"has more than {LEGS} requests that the picture was begun with")
    if not all(_is_leg(v) for v in values.get("past", [])):
        _refuse("has a past that is no request and step")
    if not all(_is_mark(v) for v in values.get("trail", [])):
        _refuse("has a trail that is no digest and four numbers")
    return Record(**values)


def _is_said(name: str, value: Any) -> bool:
    if name == "ignore_keys":
        return isinstance(value, list) and all(isinstance(v, str) for v in cast(list[Any], value))
    return name == "family" and isinstance(value, str)


def _is_level(value: Any) -> bool:
    return isinstance(value, list) and _are_numbers(cast(list[Any], value), 3)


def _is_mark(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    digest, *sketch = cast(list[Any], value)
    return isinstance(digest, str) and _are_numbers(sketch, 4)


def _are_numbers(values: list[Any], count: int) -> bool:
    return len(values) == count and all(type(v) in (int, float) and abs(v) < 1e300 for v in values)


def _is_leg(value: Any) -> bool:
    leg = cast(dict[str, Any], value) if isinstance(value, dict) else {}
    return leg.keys() == {"request", "until"} and type(leg["until"]) is int and isinstance(leg["request"], dict)


def _refuse(what: str) -> NoReturn:
    raise Refused(f"the picture's record {what}", "use the file as unnoise wrote it")
