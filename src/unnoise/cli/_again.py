"""Pictures made again from their records, with what else had a part in them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.catalogue import Shelf, find, library
from unnoise.cli import _adapters as adapters
from unnoise.cli._options import Machine
from unnoise.cli._shelf import as_told, read_as, refuse_paths
from unnoise.cli._sources import model_of
from unnoise.cli._verdict import Given, Verdict, compared
from unnoise.core.error import Refused, together
from unnoise.core.event import Progress, Result
from unnoise.media.infotext import parameters, parse_parameters
from unnoise.media.record import Record
from unnoise.tasks._control import pictures_of

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.adapters.shelf import Adapters

_TOLD = ("Prompt", "Negative prompt", "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size")


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
        file, here, sources = self._found(picture)
        shelf, moved = self._library(record, file, here)
        for source in sources:
            shelf.register(source)
        causes = [*altered, *_weights(record, shelf), *moved]
        try:
            made = _made(record, shelf, watch)
        except Refused as refused:
            if not altered:
                raise
            return Verdict(False, (*causes, f"so it cannot be made again ({refused})"))
        causes += _versions(record, made.record)
        return compared(picture, made, tuple(causes), bool(altered))

    def _found(self, picture: Given) -> tuple[str, "Adapters", list["Tensor"]]:
        """The model's file, the adapters and the other pictures that a picture is made again of.

        Raises:
            Refused: some of it is not here; it says of all what is not.
        """
        record = picture.record
        attempts: list[Callable[[], Any]] = [
            lambda: str(find(self.model or model_of(record))),
            lambda: adapters.known(record, self.adapters),
            lambda: self._sources(picture),
        ]
        file, here, sources = together(attempts)
        return file, here, sources

    def _library(self, record: Record, file: str, here: "Adapters") -> tuple[Shelf, list[str]]:
        """A library that knows the record's model, on the record's device if that is here; and how it differs."""
        from unnoise.core.denoiser import device_of

        device, moved = self.machine.device or record.device, list[str]()
        if self.machine.device is None and not _here(device):
            device = None
        dtype, exact = self.machine.dtype or record.dtype, self.machine.exact or record.exact
        how = read_as(as_told(self.machine, record.reading))
        key = (record.model, file, str(device), dtype, str(exact), str(how))
        if key not in self._shelves:
            made = library({record.model: file}, device, dtype, exact, how, self.machine.memory)
            self._shelves = {key: made}  # one at a time in memory
        shelf = self._shelves[key]
        shelf.adapters = here
        now = {"device": device_of(_network(record, shelf)).type, "dtype": dtype, "exact": exact}
        moved = [f"{k} {getattr(record, k)} then, {v} now" for k, v in now.items() if getattr(record, k) != v]
        return shelf, moved

    def _sources(self, picture: Given) -> list["Tensor"]:
        """The sources, where the picture was made of another one or along it.

        Raises:
            Refused: some of these are not among them.
        """
        from unnoise.media.image import pixels_sha256, still

        record = picture.record
        if record.task == "upscale":
            wanted, of = (str(record.request.get("image")),), "of"
        else:
            requests = (record.request, *(leg["request"] for leg in record.past))
            wanted, of = tuple(d for request in requests for d in pictures_of(request)), "along"
        held = {pixels_sha256(pixels): pixels for pixels in map(still, self.sources if wanted else ())}
        if lost := [digest for digest in dict.fromkeys(wanted) if digest not in held]:
            one = "another picture" if len(lost) == 1 else "other pictures"
            told = ", ".join(digest[:12] for digest in lost)
            what = f"{picture.path} was made {of} {one}, whose pixels' sha256 is {told}"
            raise Refused(what, f"name {'it' if len(lost) == 1 else 'them'} with --source", "source")
        return list(held.values())


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
