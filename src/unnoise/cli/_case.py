"""From what is asked of an evaluation to its case: the data, the real pictures asked for, and the made ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING

from unnoise.cli import _places as places
from unnoise.cli._prompted import NAME, prompted
from unnoise.core.error import Refused
from unnoise.data.pictures import Pictures, load
from unnoise.data.source import Item, Stored, items, open_source
from unnoise.evaluate import exam, judge
from unnoise.evaluate.case import Case
from unnoise.evaluate.draw import Drawn, draw, styled, words
from unnoise.evaluate.features import Features, opened
from unnoise.evaluate.measures import Measure, chosen
from unnoise.media.embed import read_record
from unnoise.media.image import read
from unnoise.recipes._heldout import held_out

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.cli.evaluate import Asked, Maker

DATA_SIZE = 64
"""The side that pictures are brought to where neither a model nor made pictures say."""

SMALLEST, LARGEST = 8, 256
"""Sides of pictures made elsewhere: below the first there is nothing to see; larger ones are brought to the last."""

LOOKED = 100
"""Pictures made elsewhere whose sides are looked at."""


@dataclass(frozen=True)
class Gathered:
    """A case and what it was made of.

    Args:
        case: what is measured.
        files: the made pictures' files, in its order; none where the data alone are.
        notes: what a person should know.
        how: the settings that a model drew them by.
    """

    case: Case
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    how: tuple[str, ...] = ()


def gathered(asked: "Asked", maker: "Maker | None", folder: Path) -> Gathered:
    """Read the data, and make or read the pictures.

    Raises:
        Refused: the data or the pictures are not there or do not suffice, or a measure or features are unknown.
    """
    features = tuple(opened(spec) for spec in asked.features)
    if twice := sorted({f.name for f in features if [g.name for g in features].count(f.name) > 1}):
        raise Refused(f"two of the features are called {twice[0]}", "leave one out, or rename its file", "features")
    has = {"data", *(("pictures",) if maker or asked.pictures else ()), *(("model", "drawing") if maker else ())}
    measures = chosen(asked.measures, frozenset(has | ({"features"} if features else set[str]())))
    _read_first(measures if asked.measures else (), features if "pictures" in has else ())
    elsewhere = _elsewhere(asked.pictures) if asked.pictures else ()
    size = maker.description.width if maker else _side(elsewhere) if elsewhere else DATA_SIZE
    train, heldout = _data(asked, size)
    full = styled(train) if asked.captions is None else asked.captions == "full"
    empty = Case(train=train, heldout=heldout, features=features, full=full, rounds=asked.rounds, seed=asked.seed)
    if maker:
        made = _drawn(asked, maker, folder, empty)
    else:
        made = _found(_loaded(asked, elsewhere, empty), empty) if elsewhere else Gathered(empty)
    return replace(made, notes=(*_broken("training", train), *_broken("held-out", heldout), *made.notes))


def _read_first(measures: Iterable[Measure], features: Iterable[Features]) -> None:
    """See that the files of measures and features are there before a picture is drawn.

    Raises:
        Refused: one is not, or is damaged.
    """
    for measure in measures:
        if witness := getattr(measure, "witness", ""):
            exam.opened(witness)
        if eye := getattr(measure, "judge", ""):
            judge.opened(eye)
    for each in features:
        _ = each.digest


def _broken(kind: str, pictures: Pictures | None) -> tuple[str, ...]:
    found = pictures.broken if pictures else ()
    return (f"{len(found)} {kind} pictures are left out as broken, the first: {found[0]}",) if found else ()


def _drawn(asked: "Asked", maker: "Maker", folder: Path, empty: Case) -> Gathered:
    """The case of a model, which draws what is missing."""
    import torch

    drawn = draw(empty.train, empty.heldout, asked.count, asked.seed, empty.full)
    channels = empty.train.images.shape[1]

    def made(folder: Path, prompts: Sequence[str]) -> "tuple[Tensor, tuple[Path, ...]]":
        tasks = {k + 1: replace(maker.task, prompt=words, seed=asked.seed + k) for k, words in enumerate(prompts)}
        for task in tasks.values():
            task.plan(maker.description)
        files = prompted(asked, maker, folder, tasks)
        return torch.stack([read(file, channels) for file in files]), tuple(files)

    def draws(name: str, prompts: Sequence[str]) -> "Tensor":
        return made(folder / name, prompts)[0]

    pictures, files = made(folder, [d.prompt for d in drawn])
    model = maker.shelf.model(maker.task.model)
    plan = maker.task.plan(maker.description)
    settings = {name: getattr(plan, name) for name in ("steps", "sampler", "spacing", "guidance")}
    how = tuple(f"{name} {value}" for name, value in settings.items() if value)
    return Gathered(replace(empty, drawn=drawn, made=pictures, model=model, draws=draws), files, how=how)


def _found(made: Pictures, empty: Case) -> Gathered:
    """The case of pictures made elsewhere, beside the real ones of the same words where all have such words."""
    said = [next(iter(captions), "") for captions in made.captions]
    known = dict[str, list[Drawn]]()
    for split, pictures in (("heldout", empty.heldout), ("train", empty.train)):
        for index, word in enumerate(words(pictures, empty.full) if pictures else ()):
            known.setdefault(word, []).append(Drawn(word, split, index))
    files = tuple(Path(name) for name in made.names)
    if all(word in known for word in said) and len(set(said)) > 1:
        turns = {word: cycle(known[word]) for word in said}  # each real picture once, and again where they run out
        return Gathered(replace(empty, drawn=[next(turns[word]) for word in said], made=made.images), files)
    beside = draw(empty.train, empty.heldout, len(said), empty.seed, empty.full)
    drawn = [replace(d, prompt=word) for d, word in zip(beside, said, strict=True)]
    note = "not all of the pictures' captions are the data's, so real ones beside them are drawn by the seed"
    return Gathered(replace(empty, drawn=drawn, made=made.images, same=False), files, (note,))


def _elsewhere(word: str) -> tuple[Item, ...]:
    """A folder's pictures, without those of other evaluations that keep theirs within it.

    Raises:
        Refused: there are none.
    """
    folder = places.user_path(word, "--pictures")
    found = tuple(item for item in items(open_source(folder, captionless=True)) if not _others(folder, item.name))
    if not found:
        raise Refused(f"all pictures in {folder} are of evaluations within it", "name one of their folders", "pictures")
    return found


def _others(folder: Path, name: str) -> bool:
    return any((folder / part / NAME).is_file() for part in Path(name).parents if part.name)


def _side(source: Sequence[Item]) -> int:
    """What pictures made elsewhere are brought to: the median of the first ones' shorter sides.

    Raises:
        Refused: it is too small to see anything.
    """
    sides = list[int]()
    for item in islice(source, LOOKED):
        with suppress(Refused, OSError):  # broken ones are told when all are read
            sides.append(min(item.read().shape[-2:]))
    side = min(LARGEST, median_low(sides or [DATA_SIZE]))
    if side < SMALLEST:
        raise Refused(f"--pictures are {side} pixels wide or high", f"give some of at least {SMALLEST}", "pictures")
    return side


def _loaded(asked: "Asked", source: Sequence[Item], empty: Case) -> Pictures:
    """Pictures made elsewhere, as large and as colourful as the data; our own say their prompts in their records.

    Raises:
        Refused: some are broken.
    """
    folder, (channels, side) = places.user_path(asked.pictures or "", "--pictures"), empty.train.images.shape[1:3]
    found = load([_in_channels(item, channels) for item in source], side)
    if found.broken:
        raise Refused(
            f"{len(found.broken)} pictures of {folder} are broken: {found.broken[0]}", "remove them", "pictures"
        )
    told = [captions or _told(folder / name) for captions, name in zip(found.captions, found.names, strict=True)]
    names, images = tuple(str(folder / name) for name in found.names), found.images.expand(-1, channels, -1, -1)
    return replace(found, images=images, captions=tuple(told), names=names)


def _in_channels(item: Item, channels: int) -> Item:
    """An item that is decoded to so many channels, where its file can be; others are grey."""
    return replace(item, read=replace(item.read, channels=channels)) if isinstance(item.read, Stored) else item


def _told(file: Path) -> tuple[str, ...]:
    try:
        record = read_record(file) if file.is_file() else None
    except Refused:  # another program's, or a damaged one: the picture counts all the same
        return ()
    return (str(record.request.get("prompt", "")),) if record else ()


def _data(asked: "Asked", size: int) -> tuple[Pictures, Pictures | None]:
    """Training and held-out pictures; None for the latter where the folder has none."""
    path, keep = places.user_path(asked.data, "--data"), _keep(asked.only, asked.leave)
    train = load(open_source(path, captionless=not asked.model), size, keep=keep)
    return train, held_out(path, size, keep, captionless=not asked.model)


def _keep(only: tuple[str, ...], leave: tuple[str, ...]) -> Callable[[Mapping[str, str]], bool]:
    """Whether a picture is wanted, by its tags: values of one tag are alternatives, several tags must all fit."""
    wanted, unwanted = _by_tag(only), _by_tag(leave)

    def keep(tags: Mapping[str, str]) -> bool:
        fits = all(tags.get(tag, "") in values for tag, values in wanted.items())
        return fits and not any(tags.get(tag, "") in values for tag, values in unwanted.items())

    return keep


def _by_tag(words: tuple[str, ...]) -> dict[str, set[str]]:
    found = dict[str, set[str]]()
    for tag, _, value in (word.partition("=") for word in words):
        found.setdefault(tag.strip(), set()).add(value.strip())
    return found
