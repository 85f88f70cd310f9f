"""Our training against a plain PyTorch loop written by hand, at the recipe `emoji_pixels`'s size.

    python benchmarks/training.py [--rounds 7] [--steps 4] [--batch 64] [--threads N] [--clock wall]

Both train the same network and text encoder from the same weights, in one process, by turns: bf16 autocast over float32
weights, AdamW and Muon, clipping, pictures in memory as uint8, captions tokenised at each step. The plain loop keeps no
average of its weights; a second one keeps one, as most scripts do. Ours keeps two, reports, and can be resumed bit for
bit. A figure is the median of the rounds, a ratio the median of the rounds' ratios; on a busy machine `--threads 1
--clock cpu` counts processor time. It ends with what our step costs beside the network.
"""

import argparse
import copy
import random
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor, nn

from machine import describe
from unnoise.core.model import Model, Wish
from unnoise.data.captions import Variants
from unnoise.data.pictures import Pictures
from unnoise.recipes._emoji_pixels import build
from unnoise.recipes.emoji_pixels import EmojiPixels
from unnoise.train.objectives.denoising import Denoising
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Run
from unnoise.train.subjects.diffusion import Diffusion
from unnoise.train.times import LogitNormal
from unnoise.train.trainer import Trainer
from unnoise.train.weighting import Velocity

SETTINGS = Optimizing(rate=1e-3, muon=1e-3)
NAMES = (
    "apple",
    "pizza",
    "rocket",
    "dog face",
    "cat face",
    "crown",
    "sunflower",
    "soccer ball",
    "airplane",
    "hamburger",
)
COLOURS = ("red", "green", "dark", "small", "old", "grinning", "smiling", "winking")


def pictures(count: int, size: int) -> Pictures:
    """Noise with names, captions and keywords, as a set of emoji has them."""
    draw = random.Random(0)
    names = tuple(f"{draw.choice(COLOURS)} {draw.choice(NAMES)}" for _ in range(count))
    tags = tuple({"name": name, "keywords": ", ".join((*name.split(), "food", "nature"))} for name in names)
    captions = tuple((f"{name}, fluent 3d emoji, glossy 3d render",) for name in names)
    images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)
    return Pictures(images, names, captions, tags)


def ours(model: Model, data: Pictures, batch: int) -> Iterator[object]:
    """Our own loop, as a run has it."""
    objective = Denoising(model.denoiser, model.conditioner, model.schedule, LogitNormal(), Velocity(), torch.bfloat16)
    run = Run(
        subject=Diffusion(model=model, objective=objective),
        pictures=data,
        steps=10**9,
        batch=batch,
        optimizing=SETTINGS,
        captions=Variants(),
        flip=0.5,
    )
    return Trainer(run).steps()


def plain(model: Model, data: Pictures, batch: int, averages: int = 0) -> Iterator[Tensor]:
    """What one would write in an afternoon for this one model."""
    network, text = model.denoiser.network.train(), model.conditioner.train()
    weights = [p.requires_grad_() for module in (network, text) for p in module.parameters()]
    named = [(n, p) for module in (network, text) for n, p in module.named_parameters()]
    matrices = [p for n, p in named if "blocks." in n and p.ndim == 2]
    taken = set(map(id, matrices))
    others = [p for p in weights if id(p) not in taken]
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": 0.01},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizers = [
        torch.optim.AdamW(groups, 1e-3, (0.9, 0.99), fused=True),
        torch.optim.Muon(matrices, 1e-3, 0.01, adjust_lr_fn="match_rms_adamw"),
    ]
    kept = [[p.detach().clone() for p in weights] for _ in range(averages)]
    choose, draw = Variants(), random.Random(0)
    while True:
        index = torch.randint(0, len(data), (batch,))
        x = data.images[index].float() / 127.5 - 1
        x = torch.where((torch.rand(batch) < 0.5)[:, None, None, None], x.flip(-1), x)
        said = [choose(data.captions[i], data.tags[i], draw) for i in index.tolist()]
        tokens = text.prepare([Wish("" if draw.random() < 0.1 else caption) for caption in said])
        t = torch.randn(batch).sigmoid()
        at = t[:, None, None, None]
        noisy = torch.lerp(x, torch.randn_like(x), at)
        with torch.autocast("cpu", torch.bfloat16):
            guess = network(noisy, t * 1000, text(tokens))
        loss = ((guess.float() - x) / at.clamp(min=0.05)).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        for average in kept:
            with torch.no_grad():
                torch._foreach_lerp_(average, weights, 0.001)
        yield loss.detach()


Clock = Callable[[], float]


def seconds(work: Callable[[], Any], count: int, clock: Clock) -> float:
    began = clock()
    for _ in range(count):
        work()
    return clock() - began


def parts(model: Model, data: Pictures, batch: int, clock: Clock) -> dict[str, float]:
    """Seconds of what stands in our step beside the network, each the median of nine."""
    objective = Denoising(model.denoiser, model.conditioner, model.schedule)
    subject = Diffusion(model=model, objective=objective)
    run = Run(subject=subject, pictures=data, steps=1, batch=batch, captions=Variants(), flip=0.5)
    trainer = Trainer(run)
    examples = trainer.examples()
    times: dict[str, Callable[[], Any]] = {
        "batch, captions, tokens, encoding": lambda: next(examples),
        "tokens alone": lambda: model.conditioner.prepare([Wish(c[0]) for c in data.captions[:batch]]),
        "two averages of the weights": lambda: [a.update(trainer.weights) for a in trainer.averages],
    }
    return {name: median(seconds(work, 1, clock) for _ in range(9)) for name, work in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Training speed")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    clock = perf_counter if options.clock == "wall" else process_time
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    data = pictures(2000, EmojiPixels.size)
    model = build(EmojiPixels(), data, torch.device("cpu"))
    loops: dict[str, Callable[..., Iterator[object]]] = {
        "unnoise": ours,
        "plain loop": plain,
        "plain loop with one average": partial(plain, averages=1),
    }
    running = {name: loop(copy.deepcopy(model), data, options.batch) for name, loop in loops.items()}
    for steps in running.values():
        seconds(partial(next, steps), 2, clock)
    taken: dict[str, list[float]] = {name: [] for name in running}
    for turn in range(options.rounds):
        order = list(running) if turn % 2 == 0 else list(running)[::-1]
        for name in order:
            taken[name].append(seconds(partial(next, running[name]), options.steps, clock))
    print("| loop | pictures a second, median | least | most | unnoise over it |")
    print("| --- | --- | --- | --- | --- |")
    for name, found in taken.items():
        speeds = [options.steps * options.batch / s for s in found]
        ratio = median(other / own for other, own in zip(found, taken["unnoise"], strict=True))
        print(f"| {name} | {median(speeds):.1f} | {min(speeds):.1f} | {max(speeds):.1f} | {ratio:.3f} |")
    millions = sum(p.numel() for p in nn.ModuleList([model.denoiser, model.conditioner]).parameters()) / 1e6
    print(f"\n{millions:.1f} million weights, batch {options.batch}, {options.threads} threads, {options.clock} time,")
    print(f"{options.rounds} rounds of {options.steps} steps.")
    for name, value in parts(model, data, options.batch, clock).items():
        print(f"{name}: {1000 * value:.1f} ms")
    print(describe())


if __name__ == "__main__":
    main()
