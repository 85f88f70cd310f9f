"""The figures that an evaluation's folder holds: every measure's last ones, of the same pictures asked for alike.

They are written after each figure, so that none is lost when a later one fails.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.evaluate.bootstrap import Estimate
from unnoise.evaluate.case import Case, Figure
from unnoise.media.atomic import write

if TYPE_CHECKING:
    from unnoise.cli.evaluate import Asked

NAME = "figures.json"


@dataclass
class Kept:
    """Args:
    path: their file.
    about: what they are of, as JSON values: what was asked but for the measures, and a digest of what is looked at.
    specs: the measures.
    before: those that were there.
    found: those of this run.
    """

    path: Path
    about: Mapping[str, Any]
    specs: list[str]
    before: list[Figure] = field(default_factory=list[Figure])
    found: list[Figure] = field(default_factory=list[Figure])

    @property
    def figures(self) -> list[Figure]:
        """All of them; a measure's new ones are in the place of its old ones."""
        new = {figure.measure for figure in self.found}
        return [figure for figure in self.before if figure.measure not in new] + self.found

    def write(self) -> None:
        said = {**self.about, "asked": {**self.about["asked"], "measures": self.specs}}
        told = json.dumps({**said, "figures": [values(f) for f in self.figures]}, indent=1, ensure_ascii=False)
        write(self.path, told.encode(errors="backslashreplace"))


def kept(asked: "Asked", folder: Path, case: Case, specs: list[str]) -> tuple[Kept, str]:
    """What a folder holds for these measures, and a note where its earlier figures had to be put aside.

    They are where other pictures or settings were asked for, or the same measure with other options.
    """
    about = json.loads(json.dumps({"asked": _told(asked), "digest": _digest(case)}))
    empty = Kept(folder / NAME, about, specs)
    if not empty.path.is_file():
        return empty, ""
    found = _read(empty.path)
    names = {_name(spec) for spec in specs}
    if found and found.about == about and not any(_name(s) in names and s not in specs for s in found.specs):
        return Kept(empty.path, about, [s for s in found.specs if s not in specs] + specs, found.figures), ""
    aside = next(path for n in count(1) if not (path := folder / f"figures-{n}.json").exists())
    empty.path.rename(aside)
    return empty, f"the figures in {empty.path} were asked for otherwise: they are in {aside.name} now"


def values(figure: Figure) -> dict[str, Any]:
    """A figure as JSON values."""
    value = asdict(figure.value)
    return {**asdict(figure), **value, "beside": asdict(figure.beside) if figure.beside else None}


def _told(asked: "Asked") -> dict[str, Any]:
    """What was asked but for the measures, without where things lie."""
    left = ("out", "json", "quiet", "data", "pictures", "model", "measures")
    named = {name: Path(value).stem for name in ("model", "pictures", "data") if (value := getattr(asked, name))}
    return {**named, **{k: v for k, v in asdict(asked).items() if k not in left and v is not None}}


def _digest(case: Case) -> str:
    """Of every picture and of the features, by content: files and folders of one name may hold others."""
    digest = sha256()
    for images in (case.train.images, *((case.heldout.images,) if case.heldout else ()), case.pictures):
        digest.update(str(tuple(images.shape)).encode())
        digest.update(images.contiguous().numpy().data)
    for features in case.features if case.made is not None else ():
        digest.update(features.digest.encode())
    return digest.hexdigest()


def _read(path: Path) -> Kept | None:
    """A file's figures; None where it holds none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        figures, specs = [_figure(said) for said in found.pop("figures")], found["asked"].pop("measures")
        return Kept(path, found, [str(spec) for spec in specs], figures)
    except (OSError, ValueError, OverflowError, RecursionError, LookupError, TypeError, AttributeError):
        return None


def _figure(said: Mapping[str, Any]) -> Figure:
    beside = said["beside"] and _estimate(said["beside"])
    texts = {name: str(said[name]) for name in ("measure", "title", "of", "against", "better", "note")}
    return Figure(value=_estimate(said), beside=beside or None, found=dict(said["found"]), **texts)


def _estimate(said: Mapping[str, Any]) -> Estimate:
    low, high = (None if said[end] is None else float(said[end]) for end in ("low", "high"))
    return Estimate(float(said["value"]), low, high, int(said["count"]))


def _name(spec: str) -> str:
    return spec.partition(":")[0]
