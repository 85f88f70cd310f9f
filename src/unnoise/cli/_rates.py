"""How fast this machine is with a model: measured once, kept under UNNOISE_HOME/cache, measured again when stale."""

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from unnoise.catalogue import Reading
from unnoise.core.error import Refused
from unnoise.core.home import home
from unnoise.media.atomic import write

FRESH = 30 * 24 * 3600
"""Seconds that a measurement holds."""


@dataclass(frozen=True)
class Rates:
    """What was measured.

    Args:
        machine: where, in words.
        at: when, in seconds since 1970.
        start: seconds until a model is ready, in a new process.
        bind: seconds to read the prompts and bind them.
        decode: seconds for each pixel of a picture.
        points: measured calls as (samples, width, height, seconds).
    """

    machine: str
    at: float
    start: float
    bind: float
    decode: float
    points: tuple[tuple[int, int, int, float], ...]


def call_seconds(points: Sequence[tuple[float, float]], flops: float) -> float:
    """The seconds of a call, from measured ones as (arithmetic, seconds)."""
    return _between(sorted(points), flops)


def rates(
    model: Path,
    digests: Sequence[str],
    device: str,
    dtype: str,
    again: bool = False,
    reading: Reading | None = None,
) -> Rates:
    """This machine's rates with a model, from the cache where they are there and fresh.

    Args:
        model: its file or folder.
        digests: the sha256 of its files.
        again: measure whatever the cache holds.
        reading: how it is read.
    Raises:
        Refused: the measurement failed.
    """
    machine = f"{describe_machine()}, {device}, {dtype}"
    told = (reading or Reading()).values()
    what = f"{machine} {sorted(digests)} {told['family']} {sorted(told['ignore_keys'])}"
    key = hashlib.sha256(what.encode()).hexdigest()[:24]
    cache = home() / "cache" / "rates.json"
    known = _read(cache)
    if not again and (kept := _rates(known.get(key))) and 0 <= time.time() - kept.at < FRESH:
        return kept
    found = {"machine": machine, "at": time.time(), **measure(model, device, dtype, reading=reading)}
    with contextlib.suppress(Refused, OSError):  # a cache that cannot be written is no error
        cache.parent.mkdir(parents=True, exist_ok=True)
        write(cache, json.dumps({**_read(cache), key: found}).encode())
    if (made := _rates(found)) is None:
        raise Refused(f"{model} could not be measured", "see that it generates", "model")
    return made


def measure(
    model: Path, device: str, dtype: str, clock: str = "wall", reading: Reading | None = None
) -> dict[str, Any]:
    """What `_measure` finds in a process of its own."""
    said = json.dumps((reading or Reading()).values())
    words = [str(model.resolve()), device, dtype, repr(time.time()), clock, said]
    command = [sys.executable, "-m", "unnoise.cli._measure", *words]
    source = str(Path(__file__).parent.parent.parent)  # wherever this package was found from
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Refused(f"{model} could not be measured ({said[:200]})", "see that it generates", "model")
    return cast(dict[str, Any], json.loads(done.stdout))


def describe_machine() -> str:
    """What rates depend on: processor, cores, threads, system and torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS") or "all"
    system = f"{platform.system()} {platform.machine()}"
    return f"{_processor()}, {cores} cores, {threads} threads, {system}, torch {version('torch')}"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read(cache: Path) -> dict[str, Any]:
    try:
        found = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _rates(kept: Any) -> Rates | None:
    """What a cache holds; None where it is damaged."""
    try:
        order = ("batch", "width", "height", "seconds")
        points = tuple(tuple(point[name] for name in order) for point in kept["points"])
        numbers = {name: float(kept[name]) for name in ("at", "start", "bind", "decode")}
        sound = bool(points) and all(isinstance(value, int | float) for point in points for value in point)
        return Rates(machine=str(kept["machine"]), points=points, **numbers) if sound else None
    except (TypeError, LookupError, ValueError):
        return None


def _between(points: Sequence[tuple[float, float]], x: float) -> float:
    """The line through measured points; below the first in proportion, beyond the last as between the last two."""
    points = sorted(points)
    place = bisect_right([p[0] for p in points], x)
    if place == 0:
        return points[0][1] * (x / points[0][0]) ** 0.5 if points[0][0] else points[0][1]
    if place < len(points):
        (x0, y0), (x1, y1) = points[place - 1], points[place]
    elif len(points) > 1:
        (x0, y0), (x1, y1) = points[-2], points[-1]
    else:
        return points[0][1] * x / points[0][0]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0) if x1 > x0 else y1
