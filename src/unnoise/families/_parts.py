"""From what is stored to modules on a device: settings, names and tensors of one network after the other.

Imports torch, and so only where a model is put together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from unnoise.core.denoiser import Denoiser
from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.model import Codec, Conditioner, Model
from unnoise.families._located import locate
from unnoise.families._noising import Noising
from unnoise.families._slots import LEFT
from unnoise.families._source import Slot, Source, Stored
from unnoise.families._told import absent, settings_of
from unnoise.spacings import SPACINGS
from unnoise.weights.entry import BLOCKS, Entry
from unnoise.weights.header import Header
from unnoise.weights.int8 import size
from unnoise.weights.keymap import KeyMap, some
from unnoise.weights.maps import clip, t5
from unnoise.weights.open import DTYPES, open_tensors
from unnoise.weights.parts import settings
from unnoise.weights.place import Place, filled

M = TypeVar("M", bound=nn.Module)


class Maps(Protocol):
    """A file of weights/maps: what strangers call one network's tensors, and how they state its settings."""

    def from_diffusers(self, config: Mapping[str, Any], /) -> dict[str, Any]: ...
    def from_original(self, shapes: Mapping[str, tuple[int, ...]], /) -> dict[str, Any]: ...


@dataclass
class Parts:
    """The networks of a model, each read when it is asked for.

    Args:
        source: what they are read from.
        slots: of the family.
        place: where they go.
        found: what is stored for each slot, by its name.
        held: how many bytes each takes in memory; None where its weights stay in their file.
    """

    source: Source
    slots: Sequence[Slot]
    place: Place
    found: Mapping[str, Stored] = field(init=False)
    held: Mapping[str, int | None] = field(init=False)
    _open: dict[Path, Mapping[str, Tensor]] = field(default_factory=dict[Path, Mapping[str, Tensor]], init=False)

    def __post_init__(self) -> None:
        self.found = locate(self.source, self.slots)
        if missing := [slot for slot in self.slots if slot.needed and slot.name not in self.found]:
            raise absent(self.source, missing)
        _check_left(self.source, self.slots)
        self.held = held(self.found, self.slots, self.place)

    def network(self, name: str, maps: Maps, make: type[M], usual: Mapping[str, Any] | None = None) -> M:
        """A network with its tensors, by its slot's name.

        Args:
            usual: settings that no single file states; and a codec's `look`, which no config.json does either.

        Raises:
            Refused: its settings are none that can be built, or its tensors do not fit.
        """
        kind: Any = make
        config, named = self.read(name, maps, make, usual)
        diffuses = next(slot.kind for slot in self.slots if slot.name == name) == "network"
        place = self.place if diffuses else self.place.plain
        kept = self.held[name] is None or (place.int8 and place.device.type == "cpu")
        return filled(lambda: kind(config), named, "", place, kept)

    def read(
        self, name: str, maps: Maps, make: type[nn.Module], usual: Mapping[str, Any] | None = None
    ) -> tuple[Any, Mapping[str, Tensor]]:
        """A network's config, and its tensors by our names. Arguments and errors are those of `network`."""
        stored, kind = self.found[name], cast(Any, make)
        tensors = Within(self._tensors(stored.header), stored.prefix)
        if stored.own is not None:
            return settings({name: {"config": stored.own}}, name, kind.Config), tensors
        config = kind.Config(**_settings(stored, maps, usual or {}))
        return config, keymap(stored, maps, config).ours(tensors, lambda n: self._spare(stored, n))

    def _tensors(self, header: Header) -> Mapping[str, Tensor]:
        if self.place.device.type == "meta":  # where no number is wanted, none is read
            return Unread(header)
        if header.path not in self._open:
            self._open[header.path] = open_tensors(header.path, unpack=False)
        return self._open[header.path]

    def _spare(self, stored: Stored, name: str) -> bool:
        """Whether a network does without a tensor: a file without prefixes may hold some that are no network's."""
        alone = not stored.prefix and stored.config is None and LEFT.dropped(name) is not None
        return alone or ignored(self.source, stored.prefix + name)


def held(found: Mapping[str, Stored], slots: Sequence[Slot], place: Place) -> dict[str, int | None]:
    """How many bytes of memory each network takes, by its slot's name; None where its weights stay in their file.

    They stay where there is no room for them, as long as those before them leave some, and where they are used but once
    for a prompt, as text encoders are. In int8 a network's linear layers are placed, and on a CPU all else of it stays.

    Raises:
        Refused: int8 is asked for, and does not fit, or the file has smaller numbers already.
    """
    made, where = dict[str, int | None](), place.device
    for slot in slots:
        if (stored := found.get(slot.name)) is not None:
            entries = [e for name, e in stored.header.tensors.items() if name.startswith(stored.prefix)]
            room = place.room() - sum(bytes or 0 for bytes in made.values())
            if place.int8 and slot.kind == "network":
                made[slot.name] = _in_int8(entries, place, room)
                continue
            takes = place.moved(entries)
            stays = takes and where.type != "meta" and (takes > room or slot.kind in ("clip", "t5"))
            made[slot.name] = None if stays else takes
    return made


def _in_int8(entries: Sequence[Entry], place: Place, room: int) -> int:
    """About what a network takes in int8, by its matrices. Raises as `held`."""
    if packed := next((e.dtype for e in entries if e.dtype in BLOCKS), ""):
        raise Refused(f"the network is quantised already, as {packed}", "leave --dtype int8 out: it stays so", "dtype")
    takes = sum(size(e.shape) for e in entries if len(e.shape) == 2)
    if place.device.type != "cpu":
        takes += place.moved(e for e in entries if len(e.shape) != 2)
    if takes > room:
        what = f"in int8 the network takes {takes / 2**30:.1f} GiB, and there is room for {room / 2**30:.1f} GiB"
        raise Refused(what, "allow more memory, or leave --dtype int8 out: weights stay in their file then", "dtype")
    return takes


def looking(conditioner: Conditioner, codec: Codec, extra: int, description: Description) -> Conditioner:
    """A conditioner for a network that sees `extra` channels beside its sample: the picture that a wish may have."""
    from unnoise.text.beside import Beside

    if not extra:
        return conditioner
    return Beside(conditioner, codec, extra > codec.channels, description.width)


def _settings(stored: Stored, maps: Maps, usual: Mapping[str, Any]) -> dict[str, Any]:
    said = settings_of(stored, maps)
    if stored.config is None:
        return {**said, **usual}
    # Whose latents they are no config says; and a text encoder may come from a model that takes more of it.
    return {**said, **{name: usual[name] for name in ("look", "projection") if name in usual}}


def joined(
    course: Noising, network: nn.Module, codec: Codec, conditioner: Conditioner, description: Description
) -> Model:
    """The model of its parts, sampled along a course."""
    prediction, clock, schedule = course.parts()
    spacing = SPACINGS.make(course.spacing)
    return Model(Denoiser(network, prediction, clock), schedule, spacing, codec, conditioner, description)


@dataclass(frozen=True)
class Unread(Mapping[str, Tensor]):
    """A file's tensors without their numbers."""

    header: Header

    def __getitem__(self, name: str) -> Tensor:
        entry = self.header.tensors[name]
        return torch.empty(entry.shape, dtype=DTYPES.get(entry.dtype, torch.float32), device="meta")

    def __iter__(self) -> Iterator[str]:
        return iter(self.header.tensors)

    def __len__(self) -> int:
        return len(self.header.tensors)


@dataclass(frozen=True)
class Within(Mapping[str, Tensor]):
    """The tensors of a file whose names have a prefix, by what stands behind it."""

    stored: Mapping[str, Tensor]
    prefix: str

    def __getitem__(self, name: str) -> Tensor:
        return self.stored[self.prefix + name]

    def __iter__(self) -> Iterator[str]:
        return (name[len(self.prefix) :] for name in self.stored if name.startswith(self.prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def keymap(stored: Stored, maps: Any, config: Any) -> KeyMap:
    """The names of a network in the layout in which it is stored; nothing where they are ours."""
    if stored.own is not None:
        return KeyMap(())
    if maps is t5:
        return (t5.original if stored.config is None else t5.diffusers)(config, stored.shapes)
    if stored.config is not None:
        return maps.diffusers(config)
    return clip.original(config, clip.variant_of(stored.shapes)) if maps is clip else maps.original(config)


def ignored(source: Source, name: str) -> bool:
    """Whether a tensor may be left over, as --ignore-keys says."""
    return any(fnmatchcase(name, pattern) for pattern in source.reading.ignored)


def _check_left(source: Source, slots: Sequence[Slot]) -> None:
    """See that every tensor of a single file belongs to a network, or is known to be of no use.

    Raises:
        Refused: one is not.
    """
    if source.whole is None or source.whole.config is not None:
        return
    claimed = [stored.prefix for slot in slots if (stored := source.find(slot)) is not None]
    if "" in claimed:
        return  # the network's own names tell
    names = (n for n in source.whole.header.tensors if not n.startswith(tuple(claimed)))
    left = [n for n in names if LEFT.dropped(n) is None and not ignored(source, n)]
    if left:
        what = f"{source.path} holds {len(left)} tensors of no use here: {some(left)}"
        raise Refused(what, "--ignore-keys PATTERN leaves such tensors out", "ignore_keys")
