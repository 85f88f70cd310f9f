"""Measures a model on this machine, in a process of its own, as a run is.

    python -m unnoise.cli._measure MODEL DEVICE DTYPE STARTED wall|cpu READING

It prints one JSON object; `_rates` keeps it. A call is the median of several, since other work comes between; `cpu`
counts the processor's time in place of the wall clock's, for benchmarks on a busy machine.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from unnoise.catalogue import Shelf, library, reading
from unnoise.core.denoiser import device_of
from unnoise.core.event import Result
from unnoise.core.model import Model, Wish
from unnoise.tasks.generate import Generate

BUDGET = 8.0
"""Seconds that calls may take; larger ones are left out once they are spent."""


@dataclass(frozen=True)
class Clock:
    """Times work on a device.

    Args:
        device: whose work is waited for.
        now: the time in seconds.
    """

    device: str
    now: Callable[[], float]

    def median(self, work: Callable[[], Any], times: int) -> tuple[float, float]:
        """The median of several, after one that does not count, and what all took; fewer where one takes long."""
        found, began = list[float](), self.now()
        for _ in range(times + 1):
            start = self.now()
            work()
            if self.device == "cuda":
                import torch

                torch.cuda.synchronize()
            found.append(self.now() - start)
            if len(found) > 3 and self.now() - began > BUDGET / 3:
                break
        return median(found[1:]), self.now() - began


def main() -> None:
    name, device, dtype, started, which, said = sys.argv[1:7]
    import torch

    shelf = library({"measured": name}, device, dtype, reading=reading(**json.loads(said)))
    model = shelf.model("measured")
    ready = time.time() - float(started)
    with tempfile.TemporaryDirectory() as folder:
        _run_once(shelf, model, Path(folder) / "x.png")
    clock = Clock(device, time.perf_counter if which == "wall" else time.process_time)
    bound, decoded = _bind_seconds(shelf, model, clock), _decode_seconds(model, clock)
    points, spent = list[dict[str, Any]](), 0.0
    for batch, width, height in _sizes(model):
        if points and spent > BUDGET:
            break
        seconds, took = _call_seconds(model, clock, (batch, width, height))
        spent += took
        points.append({"batch": batch, "width": width, "height": height, "seconds": seconds})
    found = {"start": ready, "bind": bound, "decode": decoded, "points": points}
    print(json.dumps(found | {"threads": torch.get_num_threads()}))


def _sizes(model: Model) -> list[tuple[int, int, int]]:
    """Pictures of the model's own size, of twice and of four times its side, alone and with a second branch."""
    about = model.description
    sides = [
        (about.width * k, about.height * k) for k in (1, 2, 4) if max(about.width, about.height) * k <= about.largest
    ]
    sides = sides or [(about.width, about.height)]
    return sorted(((b, w, h) for w, h in sides for b in (1, 2)), key=lambda s: s[0] * s[1] * s[2])


def _run_once(shelf: Shelf, model: Model, path: Path) -> None:
    """All of a run in small, with everything it imports."""
    from unnoise.media.image import save

    task = Generate(prompt=next(iter(model.description.classes), ""), model="measured", steps=2, seed=0)
    for event in task.run(shelf):
        if isinstance(event, Result):
            save(path, event.pixels, event.record)


def _bind_seconds(shelf: Shelf, model: Model, clock: Clock) -> float:
    from unnoise.spacings import SPACINGS
    from unnoise.tasks._bind import bind

    plan = Generate(prompt=next(iter(model.description.classes), ""), model="measured", seed=0).plan(model.description)
    spacing = SPACINGS.make(plan.spacing) if plan.spacing else model.spacing
    trajectory = spacing(model.schedule, plan.steps, ())
    return clock.median(lambda: bind(plan, model, shelf, trajectory, 1), 5)[0]


def _decode_seconds(model: Model, clock: Clock) -> float:
    """For each pixel of the picture."""
    import torch

    from unnoise.tasks._sample import decoded

    about, codec = model.description, model.codec
    size = (1, codec.channels, about.height // codec.scale, about.width // codec.scale)
    x = torch.zeros(size, device=_device(model))
    return clock.median(lambda: decoded(model, x), 3)[0] / (about.width * about.height)


def _call_seconds(model: Model, clock: Clock, size: tuple[int, int, int]) -> tuple[float, float]:
    import torch

    from unnoise.core.trajectory import level_at

    batch, width, height = size
    codec = model.codec
    with torch.no_grad():
        one = model.conditioner(model.conditioner.prepare([Wish("", width, height)]))
    denoise = model.denoiser.bind(one.map(lambda v: v.expand(batch, *v.shape[1:])))
    x = torch.randn(batch, codec.channels, height // codec.scale, width // codec.scale).to(_device(model))
    level = level_at(model.schedule, 0.5)
    return clock.median(lambda: denoise(x, level), 15)


def _device(model: Model) -> Any:
    return device_of(model.denoiser)


if __name__ == "__main__":
    main()
