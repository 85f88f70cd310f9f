"""A set of captioned emoji made from clones of art repositories: webdataset shards, a manifest and the licences.

Everything is a function of the clones: names, captions, what is held out, the order, and so every byte.
"""

import json
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryFile
from typing import IO, Any

from unnoise.core.error import Refused
from unnoise.data import shards
from unnoise.data.emoji import manifest, points
from unnoise.data.emoji.choose import Chosen, Picked, choose, plainness
from unnoise.data.emoji.draw import Drawing, draw_all
from unnoise.data.emoji.names import Names, shipped
from unnoise.data.upstream import UPSTREAMS
from unnoise.data.workers import ordered
from unnoise.media import vector
from unnoise.media.atomic import staged_folder
from unnoise.media.cutout import Cutout

SEED = 20240601  # the order's; any would do
TOGETHER = 16  # drawings a job

SIZES = (16, 256)
"""The smallest and the largest side: Fluent's 3D pictures have 256 pixels, and would only be enlarged beyond."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a set is made of.

    Args:
        clones: repository -> its folder.
        styles: those wanted; every one there is where none is named.
        size: the pictures' side in pixels.
        heldout: the share of concepts held out, in steps of a thousandth.
        names: what emoji are called.
        workers: processes at most.
    """

    clones: Mapping[str, Path]
    styles: tuple[str, ...] = ()
    size: int = 128
    heldout: float = 0.03
    names: Names = field(default_factory=shipped)
    workers: int = 2


@dataclass(frozen=True)
class Drawn:
    """So many pictures are drawn, of so many."""

    done: int
    of: int


@dataclass(frozen=True)
class Made:
    """The set is there: its folder, and what its manifest says."""

    path: Path
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Kept:
    """A picture on its way into a shard: its files lie one after the other in a spool, from `offset` on."""

    picked: Picked
    sha256: str
    spool: IO[bytes]
    offset: int
    colours: int
    opacity: int

    @property
    def name(self) -> str:
        return self.picked.name

    def members(self) -> dict[str, bytes]:
        self.spool.seek(self.offset)
        colours, opacity = self.spool.read(self.colours), self.spool.read(self.opacity)
        text = json.dumps(_said(self.picked), ensure_ascii=False, separators=(",", ":"))
        return {".webp": colours, ".alpha.webp": opacity, ".json": text.encode()}


def make(wanted: Wanted, out: Path) -> Generator[Drawn | Made, None, None]:
    """Make the set under `out`: all of it, or nothing.

    Raises:
        Refused: a clone is none, SVG cannot be drawn here, no picture can be, or `out` is taken or cannot be written.
    """
    _check(wanted)
    chosen = choose(wanted.clones, wanted.styles, wanted.names)
    _check_svg(chosen)
    texts = list(manifest.licences(wanted.clones))  # before the work, not after it
    with staged_folder(out) as folder:
        with TemporaryFile(dir=folder) as spool:
            drawn, damaged = yield from _drawn(chosen, wanted, spool)
            kept, merged = _apart(drawn)
            about = _written(folder, wanted, kept)
        about["left_out"] = _left_out(chosen, merged, damaged)
        about["merged_exact_duplicates"] = [_merged(group) for group in merged]
        about["damaged"] = [why for _, why in damaged]
        text = json.dumps(about, ensure_ascii=False, indent=1)
        (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
        (folder / "LICENSES").mkdir()
        for name, data in texts:
            (folder / "LICENSES" / name).write_bytes(data)
    yield Made(out, about)


def _check(wanted: Wanted) -> None:
    least, most = SIZES
    if not least <= wanted.size <= most:
        raise Refused(f"pictures of {wanted.size} pixels a side", f"from {least} to {most}", "size")
    if not 0 <= wanted.heldout <= 0.5:
        raise Refused(f"a share of {wanted.heldout:g} held out", "from 0 to 0.5", "heldout")
    if abs(wanted.heldout - round(wanted.heldout, 3)) > 1e-9:
        raise Refused(f"a share of {wanted.heldout:g} held out", "in steps of a thousandth, such as 0.001", "heldout")
    if wanted.workers < 0:
        raise Refused(f"{wanted.workers} workers", "0 or more", "workers")
    if not wanted.clones:
        raise Refused("no repository is given", "clone one and name its folder, such as --noto noto-emoji", "clones")


def _check_svg(chosen: Chosen) -> None:
    lines = {one.art.style.name for one in chosen.picked if one.art.path.suffix == ".svg"}
    if lines and not vector.there():
        rest = sorted({one.art.style.name for one in chosen.picked} - lines)
        other = f", or take PNG alone: --styles {' '.join(rest)}" if rest else ""
        what = f"{', '.join(sorted(lines))}: the pictures are SVG, and resvg is not installed"
        raise Refused(what, f"pip install 'unnoise[data]'{other}", "styles")


Damaged = list[tuple[Picked, str]]


def _drawn(chosen: Chosen, wanted: Wanted, spool: IO[bytes]) -> Generator[Drawn, None, tuple[list[Kept], Damaged]]:
    """Draw everything into the spool; gives what is there and what could not be drawn."""
    drawings = (Drawing(one.folder, one.art.path, wanted.size, one.art.style.share) for one in chosen.picked)
    jobs = iter(lambda: tuple(islice(drawings, TOGETHER)), ())
    picked, kept, damaged = iter(chosen.picked), list[Kept](), Damaged()
    for _, results in ordered(draw_all, jobs, wanted.workers):
        for result, one in zip(results, picked, strict=False):  # `picked` goes on with the next job
            if isinstance(result, Cutout):
                offset = spool.tell()
                sizes = (spool.write(result.colours), spool.write(result.opacity))
                kept.append(Kept(one, result.sha256, spool, offset, *sizes))
            else:
                damaged.append((one, result))
        yield Drawn(len(kept) + len(damaged), len(chosen.picked))
    if not kept:
        raise Refused(f"none of {len(damaged)} pictures can be drawn, the first: {damaged[0][1]}", "restore the clone")
    return kept, damaged


def _apart(drawn: Sequence[Kept]) -> tuple[list[Kept], list[list[Kept]]]:
    """Of pictures of one style that are the same to the pixel, the plainest; and those groups, the plainest first."""
    same: defaultdict[tuple[str, str], list[Kept]] = defaultdict(list)
    for one in drawn:
        same[one.picked.art.style.name, one.sha256].append(one)
    groups = [sorted(group, key=lambda one: plainness(one.picked.art.points)) for group in same.values()]
    return [group[0] for group in groups], [group for group in groups if len(group) > 1]


def _written(folder: Path, wanted: Wanted, kept: list[Kept]) -> dict[str, Any]:
    """Write the shards; gives what the manifest says of them."""
    Random(SEED).shuffle(kept)
    split: dict[str, list[Kept]] = {"train": [], "heldout": []}
    for one in kept:
        split["heldout" if points.heldout(one.picked.art.points, wanted.heldout) else "train"].append(one)
    files = [asdict(shard) | {"split": s} for s, some in split.items() for shard in shards.write(folder, s, some)]
    concepts = {part: {points.concept(one.picked.art.points) for one in some} for part, some in split.items()}
    return {
        "name": f"emoji{wanted.size}",
        "version": 1,
        "image_size": wanted.size,
        "samples": len(kept),
        **{part: len(some) for part, some in split.items()},
        "emoji": len({one.picked.art.points for one in kept}),
        "concepts": len(concepts["train"]) + len(concepts["heldout"]),
        "heldout_concepts": len(concepts["heldout"]),
        "files": files,
        **manifest.pictures(*([one.picked for one in some] for some in split.values())),
        "names_and_keywords": "CLDR, emojibase, emojilib (LICENSES/names-NOTICE.txt); Fluent's own keywords",
        "recomposite": "image_on_bg = webp + (1 - alpha/255) * (bg - 255)",
        "made_with": manifest.made_with(),
    }


def _left_out(chosen: Chosen, merged: list[list[Kept]], damaged: Damaged) -> dict[str, dict[str, int]]:
    counts = {style: why.copy() for style, why in chosen.left_out.items()}
    for group in merged:
        counts[group[0].picked.art.style.name]["exact duplicate"] += len(group) - 1
    for one, _ in damaged:
        counts[one.art.style.name]["damaged"] += 1
    return {style: dict(sorted(why.items())) for style, why in counts.items()}


def _merged(group: list[Kept]) -> dict[str, Any]:
    names = [one.picked.named.name for one in group]
    return {"style": group[0].picked.art.style.name, "kept": names[0], "merged": names[1:]}


def _said(one: Picked) -> dict[str, Any]:
    """What a picture's JSON holds."""
    return {
        "caption": f"{one.named.name}, {one.art.style.words}",
        "name": one.named.name,
        "style": one.art.style.name,
        "group": one.named.group,
        "keywords": list(one.named.keywords),
        "codepoints": points.written(one.art.points, " ").upper(),
        "licence": UPSTREAMS[one.upstream].licence,
        "source_path": one.art.path.as_posix(),
    }
