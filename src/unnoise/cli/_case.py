"""From what is asked of an evaluation to its case: the data, the real pictures asked for, and the made ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.cli import _places as places
from unnoise.cli._prompted import prompted
from unnoise.core.error import Refused
from unnoise.data.pictures import Pictures, load
from unnoise.data.source import open_source
from unnoise.evaluate.case import Case
from unnoise.evaluate.draw import Drawn, draw, styled, words
from unnoise.evaluate.features import opened
from unnoise.evaluate.measures import chosen
from unnoise.media.embed import read_record
from unnoise.media.image import read

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.cli.evaluate import Asked, Maker

DATA_SIZE = 64
"""The side that pictures are brought to where neither a model nor made pictures say."""

LARGEST = 256
"""The side that larger pictures made elsewhere are brought to, and the data with them."""


@dataclass(frozen=True)
class Gathered:
    """A case and what it was made of.

    Args:
        case: what is measured.
        files: the made pictures' files, in its order; none where the data alone are.
        notes: what a person should know.
    """

    case: Case
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def gathered(asked: "Asked", maker: "Maker | None", folder: Path) -> Gathered:
    """Read the data, and make or read the pictures.

    Raises:
        Refused: the data or the pictures are not there or do not suffice, or a measure or features are unknown.
    """
    features = tuple(opened(spec) for spec in asked.features)
    has = {"data", *(("pictures",) if maker or asked.pictures else ()), *(("model", "drawing") if maker else ())}
    chosen(asked.measures, frozenset(has | ({"features"} if features else set[str]())))
    elsewhere = _elsewhere(asked.pictures) if asked.pictures else None
    size = maker.description.width if maker else elsewhere.images.shape[-1] if elsewhere else DATA_SIZE
    train, heldout = _data(asked, size)
    full = styled(train) if asked.captions is None else asked.captions == "full"
    empty = Case(train=train, heldout=heldout, features=features, full=full, rounds=asked.rounds, seed=asked.seed)
    if maker:
        return _drawn(asked, maker, folder, empty)
    return _found(asked, elsewhere, empty) if elsewhere else Gathered(empty)


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
    return Gathered(replace(empty, drawn=drawn, made=pictures, model=model, draws=draws), files)


def _found(asked: "Asked", made: Pictures, empty: Case) -> Gathered:
    """The case of pictures made elsewhere, beside the real ones of the same words where all have such words."""
    said = [next(iter(captions), "") for captions in made.captions]
    known = dict[str, Drawn]()
    for split, pictures in (("heldout", empty.heldout), ("train", empty.train)):
        for index, word in enumerate(words(pictures, empty.full) if pictures else ()):
            known.setdefault(word, Drawn(word, split, index))
    if all(word in known for word in said) and len(set(said)) > 1:
        drawn, notes = [known[word] for word in said], ()
    else:
        beside = draw(empty.train, empty.heldout, len(said), empty.seed, empty.full)
        drawn = [replace(d, prompt=word) for d, word in zip(beside, said, strict=True)]
        notes = ("not all of the pictures' captions are the data's, so real ones beside them are drawn by the seed",)
    images = made.images if made.images.shape[1] == empty.train.images.shape[1] else made.images.expand(-1, 3, -1, -1)
    return Gathered(replace(empty, drawn=drawn, made=images), tuple(Path(name) for name in made.names), notes)


def _elsewhere(word: str) -> Pictures:
    """A folder of pictures, brought to the shorter side of the first; our own say their prompts in their records."""
    folder = places.user_path(word, "--pictures")
    source = open_source(folder, captionless=True)
    side = min(LARGEST, *source[0].read().shape[-2:])
    found = load(source, side)
    if found.broken:
        raise Refused(
            f"{len(found.broken)} pictures of {folder} are broken: {found.broken[0]}", "remove them", "pictures"
        )
    told = [captions or _told(folder / name) for captions, name in zip(found.captions, found.names, strict=True)]
    return replace(found, captions=tuple(told), names=tuple(str(folder / name) for name in found.names))


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
    try:
        return train, load(open_source(path, "heldout", captionless=not asked.model), size, keep=keep)
    except Refused:
        return train, None


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
