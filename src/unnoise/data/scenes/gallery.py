"""Scenes as pictures to train on: a `Gallery` whose picture i is a function of (seed, i) alone.

Its tags say what a picture truly shows, as strings. Where there are several things they are in order, parted by "; ":

    kind        alone, placed, counted, pair or row
    things      "apple; cup", from left to right or from top to bottom
    counts      "1; 2"
    colours     "red; ", empty for a thing whose colour has no one name
    sizes       "small; big", empty where nothing is to be said
    relation    "left of" or "above", the first to the second (and the second to the third); or empty
    place       "top left", "middle", ... of a placed thing; or empty
    background  "yellow", or "blue; pink" for a gradient, from left to right or from top to bottom
    style       the set's tag, empty for a medley

None of them is called "name": which caption a scene gets is any of its own (`captions.any_of`). Scenes must not be
mirrored by who trains on them, as left would become right; their things are mirrored here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from random import Random
from typing import Generic, TypeVar, overload

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.data.pictures import Gathered
from unnoise.data.scenes.draw import Combinations, key, scene_of
from unnoise.data.scenes.painter import Painter
from unnoise.data.scenes.scene import Axis, Mix, Scene
from unnoise.data.scenes.sprites import Shelf, cut
from unnoise.data.scenes.words import captions
from unnoise.data.workers import ordered

T = TypeVar("T")

RELATIONS: Mapping[Axis, str] = {"across": "left of", "down": "above", "": ""}
DRAWN = 4096  # scenes kept between their captions, their tags and their pixels


@dataclass(frozen=True)
class Each(Sequence[T], Generic[T]):
    """A sequence whose items are made when they are asked for."""

    length: int
    make: Callable[[int], T]

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int, /) -> T: ...
    @overload
    def __getitem__(self, index: slice, /) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice, /) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(map(self.make, range(*index.indices(self.length))))
        if not -self.length <= index < self.length:
            raise IndexError(f"there are {self.length}, none is number {index}")
        return self.make(index % self.length)

    def __iter__(self) -> Iterator[T]:
        return map(self.make, range(self.length))


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """Scenes to train on, or to be judged by.

    Args:
        shelf: where their things come from.
        size: pixels a side.
        count: how many there are, nominally: an epoch.
        seed: any whole number.
        mix: how often what is drawn.
        combinations: "seen" leaves out the combinations that are held out, "unseen" has one in each scene.
        workers: processes that paint, each with its own sprites; 0 paints here.
    """

    shelf: Shelf
    size: int = 128
    count: int = 1_000_000
    seed: int = 0
    mix: Mix = field(default_factory=Mix)
    combinations: Combinations = "seen"
    workers: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise Refused(f"{self.count} scenes", "take at least 1", "count")

    def __len__(self) -> int:
        return self.count

    @property
    def captions(self) -> Sequence[tuple[str, ...]]:
        return Each(self.count, self._captions)

    @property
    def tags(self) -> Sequence[Mapping[str, str]]:
        return Each(self.count, lambda index: tags_of(self.scene(index)))

    @property
    def broken(self) -> tuple[str, ...]:
        """ "NAME: why" for every picture whose thing is in no scene, since it could not be cut out."""
        return cut(self.shelf).broken

    def scene(self, index: int) -> Scene:
        """What picture `index` shows."""
        return self._scenes(index)

    def picture(self, index: int) -> Tensor:
        """Picture `index`, uint8 (3, size, size)."""
        return self.painter.paint(self.scene(index))

    def gather(self, wanted: Iterable[list[int]]) -> Gathered:
        jobs = (_Job(self, tuple(indices)) for indices in wanted)
        for job, pixels in ordered(_painted, jobs, self.workers):
            found = torch.frombuffer(bytearray(pixels), dtype=torch.uint8)
            yield list(job.indices), found.view(-1, 3, self.size, self.size)

    def _captions(self, index: int) -> tuple[str, ...]:
        draw = Random(key(self.seed, index, "words"))
        return captions(self.scene(index), cut(self.shelf), draw, self.mix.house)

    @cached_property
    def painter(self) -> Painter:
        return Painter(cut(self.shelf), self.size)

    @cached_property
    def _scenes(self) -> Callable[[int], Scene]:
        return lru_cache(maxsize=DRAWN)(self._drawn)

    def _drawn(self, index: int) -> Scene:
        return scene_of(cut(self.shelf), self.mix, self.seed, index, self.combinations)

    def __getstate__(self) -> dict[str, object]:
        # What is kept stays here: a worker cuts its own sprites, once.
        return {each.name: getattr(self, each.name) for each in fields(self)}


def tags_of(scene: Scene) -> Mapping[str, str]:
    """What a scene shows, as the module says."""
    return {
        "kind": scene.kind,
        "things": "; ".join(thing.noun for thing in scene.things),
        "counts": "; ".join(str(len(thing.boxes)) for thing in scene.things),
        "colours": "; ".join(thing.colour for thing in scene.things),
        "sizes": "; ".join(thing.size for thing in scene.things),
        "relation": RELATIONS[scene.axis],
        "place": scene.place,
        "background": "; ".join(scene.background.names),
        "style": scene.style,
    }


@dataclass(frozen=True)
class _Job:
    scenes: Scenes
    indices: tuple[int, ...]


def _painted(job: _Job) -> bytes:
    return b"".join(_own(job.scenes).picture(index).numpy().tobytes() for index in job.indices)


@lru_cache(maxsize=4)
def _own(scenes: Scenes) -> Scenes:
    """The same scenes each time, with what they keep: a job's are a new copy."""
    return scenes
