"""Make training data out of public art, or check a folder of it."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.cli import _places as places
from unnoise.cli._options import Said
from unnoise.cli._parse import parse
from unnoise.cli._show import Bar, plain, say, say_json
from unnoise.core.error import Refused
from unnoise.data.upstream import UPSTREAMS

if TYPE_CHECKING:
    from unnoise.data.emoji.make import Drawn, Made, Wanted

HELP = """usage: unnoise data emoji [--fluent DIR] [--noto DIR] [--twemoji DIR] --out DIR [OPTIONS]
       unnoise data check DIR [OPTIONS]

Make training data out of public art, or check a folder of it.

  emoji   captioned emoji as shards, out of clones of the art repositories
  check   what is broken, without a caption, double or small in a folder that '--data' takes

'unnoise data emoji --help' says more."""


@dataclass(frozen=True, kw_only=True)
class Making:
    """How a set is made.

    Args:
        out: The folder to make; it must not be there yet, or be empty.
        styles: Those to draw, fluent-3d, noto, ...; all by default.
        size: The pictures' side in pixels, 16 to 256.
        heldout: The share of concepts to hold out, 0 to 0.5 in thousandths, in every style alike.
        names: Emojibase's data.json, for emoji that are newer than the names that come along.
        workers: Processes that draw.
        json: One JSON object a line on standard output, and nothing else there.
        quiet: No progress, only the folder.
    """

    out: str = field(metadata={"metavar": "DIR"})
    styles: tuple[str, ...] = ()
    size: int = 128
    heldout: float = 0.03
    names: str = field(default="", metadata={"metavar": "FILE"})
    workers: int = 2
    json: bool = False
    quiet: bool = False


def _clones() -> type[Any]:
    """A field for each repository."""
    kind = make_dataclass(
        "Clones",
        [(name, str, field(default="", metadata={"metavar": "DIR"})) for name in UPSTREAMS],
        frozen=True,
        kw_only=True,
    )
    lines = [f"    {name}: A clone of {UPSTREAMS[name].address} ({UPSTREAMS[name].licence})." for name in UPSTREAMS]
    kind.__doc__ = "\n".join(["The repositories.", "", "Args:", *lines])
    return kind


Asked: Any = make_dataclass("Asked", [("clones", _clones()), ("making", Making)], frozen=True, kw_only=True)
Asked.__doc__ = """Make captioned emoji as webdataset shards, out of clones of the art repositories.

unnoise data emoji --noto noto-emoji --twemoji twemoji --out emoji128

Nothing is fetched: 'git clone --depth 1 ADDRESS' first. The same clones give the same bytes.
"""


@dataclass(frozen=True, kw_only=True)
class Checked(Said):
    """Say what would spoil a training: decodes every picture once.

    Args:
        file: The folder, or one shard.
        split: train, heldout or another that the set has.
    """

    file: str = field(metadata={"metavar": "DIR"})
    split: str = "train"


def command(args: list[str]) -> int:
    actions = {"emoji": _emoji, "check": _check}
    if args[:1] in (["--help"], ["-h"]):
        say(HELP)
        return 0
    if not args or args[0] not in actions:
        what = f"'{args[0][:60]}' is nothing to do with data" if args else "it is not said what to do"
        raise Refused(what, "one of emoji, check; see 'unnoise data --help'", "data")
    actions[args[0]](args[1:])
    return 0


def _emoji(args: list[str]) -> None:
    asked: Any = parse(Asked, args, "unnoise data emoji")
    making: Making = asked.making
    out = places.user_path(making.out, "--out")
    given = {name: word for name in UPSTREAMS if (word := getattr(asked.clones, name))}
    clones = {name: places.user_path(word, f"--{name}") for name, word in given.items()}
    if not clones:
        options = ", ".join(f"--{name} DIR" for name in UPSTREAMS)
        raise Refused("no repository is given", f"clone one or more of them and name the folders: {options}", "clones")
    places.probe(out.parent)
    from unnoise.data.emoji.make import make

    wanted = _wanted(making, clones)
    places.made(out.parent)
    with closing(make(wanted, out)) as events:
        _follow(events, making)


def _wanted(making: Making, clones: Mapping[str, Path]) -> "Wanted":
    from unnoise.data.emoji import names
    from unnoise.data.emoji.make import Wanted

    known = names.read(places.user_path(making.names, "--names")) if making.names else names.shipped()
    styles, size, heldout = making.styles, making.size, making.heldout
    return Wanted(clones=clones, styles=styles, size=size, heldout=heldout, names=known, workers=making.workers)


def _follow(events: "Iterator[Drawn | Made]", making: Making) -> None:
    from unnoise.data.emoji.make import Drawn

    bar = Bar(not (making.json or making.quiet))
    for event in events:
        if isinstance(event, Drawn):
            bar.draw(event.done / event.of, f"{event.done}/{event.of} pictures")
            if making.json:
                say_json(event="progress", done=event.done, of=event.of)
            continue
        bar.clear()
        if making.json:
            told = {k: v for k, v in event.about.items() if k in ("samples", "train", "heldout", "styles", "left_out")}
            say_json(event="result", path=str(event.path), **told)
        else:
            say(str(event.path) if making.quiet else "\n".join(_summary(event)))


def _summary(made: "Made") -> Iterator[str]:
    about, left_out = made.about, made.about["left_out"]
    width = max(map(len, left_out))
    yield f"{'style'.ljust(width)}  {'train':>7}  {'held out':>8}  {'left out':>8}  licence"
    for name, why in left_out.items():
        style = about["styles"].get(name, {"train": 0, "heldout": 0, "licence": ""})
        counts = f"{style['train']:>7,}  {style['heldout']:>8,}  {sum(why.values()):>8,}"
        yield f"{name.ljust(width)}  {counts}  {style['licence']}".rstrip()
    for name, why in left_out.items():
        if why:
            yield f"{name}, left out: {', '.join(f'{count:,} {reason}' for reason, count in why.items())}"
    yield from (f"damaged: {plain(why)}" for why in about["damaged"][:5])
    size = sum(file["bytes"] for file in about["files"]) / 2**20
    yield f"{about['train']:,} pictures to train on and {about['heldout']:,} held out, {size:.1f} MiB, in {made.path}"
    yield "whoever hands them on hands on their licences and attributions: LICENSES and manifest.json"


def _check(args: list[str]) -> None:
    asked = parse(Checked, args, "unnoise data check")
    path = places.user_path(asked.file, "DIR")
    from unnoise.data.audit import audit
    from unnoise.data.source import open_source

    report = audit(open_source(path, asked.split, captionless=True))
    if asked.json:
        sizes = {f"{width}x{height}": count for (width, height), count in report.sizes.items()}
        say_json(event="result", path=str(path), split=asked.split, **vars(report) | {"sizes": sizes})
    else:
        say("\n".join(map(plain, report.lines())))
