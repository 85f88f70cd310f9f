"""Make pictures again from their records, and say whether they are identical or where they part."""

import math
import time
from dataclasses import dataclass, field

from unnoise.cli._again import Replays
from unnoise.cli._options import Machine
from unnoise.cli._parse import parse
from unnoise.cli._places import user_path
from unnoise.cli._show import Bar, say, say_json
from unnoise.cli._verdict import Given, Verdict, given
from unnoise.core.error import Refused
from unnoise.core.event import Progress


@dataclass(frozen=True, kw_only=True)
class Where(Machine):
    """Where it is made again.

    Args:
        device: The record's by default, or the best there is where that is not here.
        dtype: What the network computes in; the record's by default.
        exact: Compute every picture alone, even where the record's was not.
    """


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Make pictures again from their records, and say whether they are identical or where they part.

    unnoise replay out/*.png

    A picture that went on from another request, or was refined, is made again with all that had a part in it. The exit
    code is 0 where all are identical, 1 where one is not, and 2 where one cannot be made again here.

    Args:
        pictures: Pictures as unnoise wrote them.
        model: The model to use; the record's own by default, found by its name or its sha256.
        source: The pictures that enlarged ones were made of, or that ControlNets looked at.
        adapter: A LoRA's, an embedding's or a ControlNet's file that they were made with, where it is not under
            UNNOISE_HOME; may be given again.
        json: One JSON object a picture on standard output, and nothing else there.
        quiet: No progress.
    """

    pictures: tuple[str, ...] = ()
    model: str | None = None
    source: tuple[str, ...] = field(default=(), metadata={"metavar": "PICTURE ..."})
    adapter: tuple[str, ...] = field(default=(), metadata={"metavar": "FILE", "repeated": True})
    json: bool = False
    quiet: bool = False
    machine: Where = field(default_factory=Where)


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise replay")
    if not asked.pictures:
        raise Refused("PICTURES are missing", "name pictures as unnoise wrote them", "pictures")
    sources = tuple(user_path(word, "--source") for word in asked.source)
    adapters = tuple(user_path(word, "--adapter") for word in asked.adapter)
    replays, parted, faults = Replays(asked.model, asked.machine, sources, adapters), 0, list[Refused]()
    for place, word in enumerate(asked.pictures):
        began = time.perf_counter()
        try:
            picture = given(user_path(word, "PICTURES"))
            verdict = _watched(replays, picture, asked, place)
        except Refused as refused:
            faults.append(refused)
            _tell_fault(asked, word, refused)
            continue
        parted += not verdict.identical
        _tell(asked, picture, verdict, time.perf_counter() - began)
    if faults and not parted:
        if len(asked.pictures) == 1:
            raise faults[0]
        raise Refused(f"{len(faults)} of {len(asked.pictures)} pictures cannot be made again", str(faults[0]))
    return 1 if parted else 0


def _watched(replays: Replays, picture: Given, asked: Asked, place: int) -> Verdict:
    bar, count = Bar(not (asked.json or asked.quiet)), len(asked.pictures)

    def watch(event: Progress) -> None:
        which = f"picture {place + 1}/{count}  " if count > 1 else ""
        of, share = (f"/{event.steps}", event.step / event.steps) if event.steps else ("", 0.0)
        bar.draw((place + share) / count, f"{which}step {event.step}{of}")

    try:
        return replays.judge(picture, watch)
    finally:
        bar.clear()


def _tell(asked: Asked, picture: Given, verdict: Verdict, seconds: float) -> None:
    word = "identical" if verdict.identical else "parted"
    if not asked.json:
        why = "; ".join(verdict.reasons)
        tail = "" if not why else f" ({why})" if verdict.identical else f": {why}"
        return say(f"{word.ljust(9)}  {picture.path}{tail}")
    where = verdict.parting
    apart = where.apart if where and math.isfinite(where.apart) else None
    say_json(
        event="replay",
        path=str(picture.path),
        verdict=word,
        reasons=list(verdict.reasons),
        step=where.step if where else None,
        steps=where.steps if where else None,
        apart=apart,
        seconds=round(seconds, 3),
    )


def _tell_fault(asked: Asked, word: str, refused: Refused) -> None:
    """One that cannot be made again, among others; of a single one, standard error tells."""
    if asked.json:
        say_json(event="replay", path=word, verdict="refused", reasons=[str(refused)])
    elif len(asked.pictures) > 1:
        say(f"refused    {refused}")
