"""A picture made again from its record, and what parts the two where they are not the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.catalogue import Shelf, find, library
from unnoise.cli import _adapters as adapters
from unnoise.cli._options import Machine
from unnoise.cli._shelf import read_as_then, refuse_paths
from unnoise.cli._sources import model_of
from unnoise.core.error import Refused
from unnoise.core.event import Progress, Result
from unnoise.media.infotext import parameters, parse_parameters
from unnoise.media.record import Record
from unnoise.tasks._control import pictures_of

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.tasks._trail import Parting

_UNTOLD = "parts at a step that the record does not tell"
_TOLD = ("Prompt", "Negative prompt", "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size")


@dataclass(frozen=True)
class Given:
    """A picture as its file holds it: its bytes, its texts and its record."""

    path: Path
    data: bytes
    texts: dict[str, str]
    record: Record


@dataclass(frozen=True)
class Verdict:
    """What making a picture again came to.

    Args:
        identical: whether the file holds the picture that was made again, and its record is as it was written.
        reasons: why not, one sentence each; of an identical one, what is worth knowing.
        parting: the first step at which the two runs part, where the record can tell.
    """

    identical: bool
    reasons: tuple[str, ...] = ()
    parting: "Parting | None" = None


def given(path: Path) -> Given:
    """Read a picture.

    Raises:
        Refused: it is none, or carries no record.
    """
    from unnoise.media.container import read_bytes
    from unnoise.media.embed import metadata
    from unnoise.media.record import from_json

    data = read_bytes(path)
    texts = metadata(data, str(path))
    if "unnoise" not in texts:
        raise Refused(f"{path} has no record to be made again from", "name a picture as unnoise wrote it", "pictures")
    return Given(path, data, texts, from_json(texts["unnoise"]))


@dataclass
class Replays:
    """Makes pictures again; models are loaded once.

    Args:
        model: the model to use, by name or file; the record's own by default.
        machine: where to run; as the record says by default.
        sources: pictures that enlarged ones were made of, or that ControlNets looked at.
        adapters: files of adapters, embeddings and ControlNets that may have been used.
    """

    model: str | None
    machine: Machine
    sources: tuple[Path, ...] = ()
    adapters: tuple[Path, ...] = ()
    _shelves: dict[tuple[str, ...], Shelf] = field(default_factory=dict[tuple[str, ...], Shelf])

    def judge(self, picture: Given, watch: Callable[[Progress], None]) -> Verdict:
        """Make a picture again and compare.

        Raises:
            Refused: it cannot be made again here.
        """
        record, altered = picture.record, _altered(picture)
        refuse_paths(record)
        shelf, moved = self._library(record)
        self._give(picture, shelf)
        causes = [*altered, *_weights(record, shelf), *moved]
        try:
            made = _made(record, shelf, watch)
        except Refused as refused:
            if not altered:
                raise
            return Verdict(False, (*causes, f"so it cannot be made again ({refused})"))
        causes += _versions(record, made.record)
        return _compared(picture, made, tuple(causes), bool(altered))

    def _library(self, record: Record) -> tuple[Shelf, list[str]]:
        """A library that knows the record's model, on the record's device if that is here; and how it differs."""
        from unnoise.core.denoiser import device_of

        file = str(find(self.model or model_of(record)))
        device, moved = self.machine.device or record.device, list[str]()
        if self.machine.device is None and not _here(device):
            device = None
        dtype, exact = self.machine.dtype or record.dtype, self.machine.exact or record.exact
        how = read_as_then(self.machine, record)
        key = (record.model, file, str(device), dtype, str(exact), str(how))
        if key not in self._shelves:
            made = library({record.model: file}, device, dtype, exact, how, self.machine.memory)
            self._shelves = {key: made}  # one at a time in memory
        shelf = self._shelves[key]
        shelf.adapters = adapters.known(record, self.adapters)
        now = {"device": device_of(_network(record, shelf)).type, "dtype": dtype, "exact": exact}
        moved = [f"{k} {getattr(record, k)} then, {v} now" for k, v in now.items() if getattr(record, k) != v]
        return shelf, moved

    def _give(self, picture: Given, shelf: Shelf) -> None:
        """Give the library what a picture was made of, or along, where there is another one.

        Raises:
            Refused: that is not among the sources.
        """
        record = picture.record
        if record.task == "upscale":
            wanted, of = (str(record.request.get("image")),), "of"
        else:
            requests = (record.request, *(leg["request"] for leg in record.past))
            wanted, of = tuple(d for request in requests for d in pictures_of(request)), "along"
        held = set(map(shelf.register, self.sources)) if wanted else set[str]()
        if lost := next((digest for digest in wanted if digest not in held), ""):
            what = f"{picture.path} was made {of} another picture, whose pixels' sha256 is {lost[:12]}"
            raise Refused(what, "name it with --source", "source")


def _network(record: Record, shelf: Shelf) -> Any:
    """What made a record's picture."""
    return shelf.upscaler(record.model).network if record.task == "upscale" else shelf.model(record.model).denoiser


def _here(device: str) -> bool:
    from unnoise.catalogue import place

    try:
        return bool(place(device))
    except Refused:
        return False


def _made(record: Record, shelf: Shelf, watch: Callable[[Progress], None]) -> Result:
    from unnoise.tasks._legs import rerun

    made = None
    for event in rerun(record, shelf):
        if isinstance(event, Progress):
            watch(event)
        else:
            made = event
    if made is None:
        raise Refused("the record's request asks for no picture", "use the file as unnoise wrote it")
    return made


def _altered(picture: Given) -> list[str]:
    """What of the record is not as it was when the picture was made."""
    fields = list(picture.record.altered())
    if not fields and "parameters" in picture.texts:
        now, told = (parse_parameters(t) for t in (parameters(picture.record), picture.texts["parameters"]))
        fields = [k.lower() for k in _TOLD if now.get(k, "") != told.get(k, "")]
    return [f"the record was changed: its {', '.join(fields)}"] if fields else []


def _weights(record: Record, shelf: Shelf) -> list[str]:
    from unnoise.tasks._work import weights_now

    try:
        now = weights_now(record, shelf)
    except Refused as refused:  # a guidance that the record names, or its model, is not here
        return [str(refused)]
    then, found = sorted(record.files.values()), sorted(now.values())
    if found == then:
        return []
    short = [", ".join(d[:12] for d in digests) or "unknown" for digests in (then, found)]
    return [f"other weights: sha256 {short[0]} then, {short[1]} now"]


def _versions(then: Record, now: Record) -> list[str]:
    found = [
        f"{name} {then.versions.get(name, 'unknown')} then, {version} now"
        for name, version in now.versions.items()
        if then.versions.get(name) != version
    ]
    if then.epoch != now.epoch:
        found.append(f"numerics epoch {then.epoch} then, {now.epoch} now")
    return found


def _compared(picture: Given, made: Result, causes: tuple[str, ...], altered: bool) -> Verdict:
    """The verdict on a picture and what its record makes now."""
    from unnoise.media.container import probe
    from unnoise.media.image import decode, encode, pixels_sha256
    from unnoise.tasks._trail import parting

    kind, name = probe(picture.data, str(picture.path)).format.lower(), str(picture.path)
    held = decode(picture.data, name, made.pixels.shape[0])
    if made.record.pixels == picture.record.pixels:
        lossy = kind in ("jpeg", "webp")
        own = decode(encode(made.pixels, kind, picture.record), name, held.shape[0]) if lossy else made.pixels
        apart = _difference(held, own)
        found = [f"the file's pixels were changed: {apart}"] if apart else []
        return Verdict(not found and not altered, (*found, *causes))
    parted = parting(picture.record.trail, made.record.trail) if picture.record.trail else None
    found = [_where(parted) if parted else "the runs agree at every step" if picture.record.trail else _UNTOLD]
    found.append(
        _difference(held, made.pixels) or "yet the file's pixels are those made again, not those of its record"
    )
    if kind == "png" and pixels_sha256(held) != picture.record.pixels:
        found.append("the file's pixels are not those of its record either")
    if not causes:
        causes = ("weights, versions and device are the record's own, so the record may have been changed",)
    return Verdict(False, (*found, *causes), parted)


def _difference(one: "Tensor", other: "Tensor") -> str:
    """How far two pictures' pixels differ; empty where they do not."""
    if one.shape != other.shape:
        sizes = [f"{p.shape[-1]}x{p.shape[-2]}" for p in (one, other)]
        return f"the file is {sizes[0]} pixels, the picture made again {sizes[1]}"
    apart = (one.int() - other.int()).abs()
    pixels = int((apart.amax(0) > 0).sum())
    return f"{pixels:,} of {apart[0].numel():,} pixels differ, by at most {int(apart.max())} of 255" if pixels else ""


def _where(parted: "Parting") -> str:
    if parted.apart != parted.apart:
        return f"parts after step {parted.step - 1} of {parted.steps}, where one run ends"
    return f"parts at step {parted.step} of {parted.steps}, by about {parted.apart:.2g} a value"
