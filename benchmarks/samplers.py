"""Error against network evaluations on problems whose answer is known: our samplers, and diffusers' schedulers.

    python benchmarks/samplers.py [--picture docs/samplers.svg]

Data are a mixture of three normal distributions, and the network is exact: it predicts the noise, on a table of linear
betas so fine at its clean end that going from there to the clean picture costs nothing. Deterministic methods are
judged by their distance from the exact solution of the probability-flow ODE (root mean square over 401 quantiles of the
noise), stochastic ones by the variance of 65,536 samples. Both sides run the same levels where the peer allows it.
Nothing is timed.
"""

import argparse
import inspect
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from machine import describe
from oracles import Mixture
from unnoise.core.level import Level
from unnoise.core.prediction import Epsilon
from unnoise.core.schedule import Betas
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory, level_at
from unnoise.samplers import SAMPLERS
from unnoise.spacings import SPACINGS

DATA = Mixture()
TABLE = {"beta_schedule": "linear", "beta_start": 1e-7, "beta_end": 0.02, "num_train_timesteps": 1000}
SCHEDULE = Betas("linear", 1e-7, 0.02)
BUDGETS = (8, 16, 32, 64)
SAMPLES = 65_536


@dataclass(frozen=True)
class Entry:
    """One method on both sides.

    Args:
        ours: our sampler's spec.
        calls: its network calls a step, to spend equal budgets.
        theirs: diffusers' class and its options; none where it has no such method.
        spacing, habit: our spacing, and the option of theirs that lays the same levels.
    """

    ours: str
    calls: int = 1
    theirs: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    spacing: str = "karras"
    habit: tuple[tuple[str, Any], ...] = (("use_karras_sigmas", True),)


ROWS = (("timestep_spacing", "trailing"),)
FINAL = (("final_sigmas_type", "zero"),)
SDE = (("algorithm_type", "sde-dpmsolver++"), *FINAL)

ODE = (
    Entry("euler", 1, "EulerDiscreteScheduler"),
    Entry("euler", 1, "DDIMScheduler", (("clip_sample", False),), "trailing", ROWS),
    Entry("heun:form=ratio", 2, "HeunDiscreteScheduler"),
    Entry("heun", 2),
    Entry("dpm2", 2, "KDPM2DiscreteScheduler"),
    Entry("lms", 1, "LMSDiscreteScheduler"),
    Entry("pndm", 1, "PNDMScheduler", (("skip_prk_steps", True),), "trailing", ROWS),
    Entry("dpmpp_2m", 1, "DPMSolverMultistepScheduler", FINAL),
    Entry("dpmpp_2m", 1, "DPMSolverMultistepScheduler", FINAL, "trailing", ROWS),
    Entry("unipc", 1, "UniPCMultistepScheduler", FINAL),
    Entry("unipc:order=3", 1, "UniPCMultistepScheduler", (*FINAL, ("solver_order", 3))),
    Entry("deis", 1, "DEISMultistepScheduler", (("solver_order", 3),)),
    Entry("ipndm"),  # diffusers runs it on a path of its own
    Entry("res_multistep"),
    Entry("gradient_estimation"),
)
STOCHASTIC = (
    Entry("ddpm", 1, "DDPMScheduler", (("clip_sample", False),), "trailing", ROWS),
    Entry("euler_ancestral", 1, "EulerAncestralDiscreteScheduler", (), "trailing", ROWS),
    Entry("dpm2_ancestral", 2, "KDPM2AncestralDiscreteScheduler"),
    Entry("dpmpp_2s_ancestral", 2),
    Entry("dpmpp_sde", 2),
    Entry("dpmpp_2m_sde", 1, "DPMSolverMultistepScheduler", SDE),
    Entry("dpmpp_3m_sde", 1, "DPMSolverMultistepScheduler", (*SDE, ("solver_order", 3))),
    Entry("sa_solver", 1, "SASolverScheduler"),
    Entry("er_sde"),
)


class Draws:
    """Standard normal noise from one generator, in the order in which it is asked for."""

    def __init__(self) -> None:
        self.random = torch.Generator().manual_seed(1)

    def __call__(self, x: Tensor, step: int, purpose: str = "step") -> Tensor:
        return torch.randn(x.shape, generator=self.random, dtype=x.dtype)


def start(stochastic: bool) -> Tensor:
    """The exact marginal at the table's noisiest row, (1, N): drawn, or its quantiles."""
    level = level_at(SCHEDULE, 1.0)
    if stochastic:
        return DATA.at(level, torch.rand(1, SAMPLES, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    return DATA.at(level, torch.linspace(0.005, 0.995, 401, dtype=torch.float64)[None])


def error(x: Tensor, begun: Tensor, stochastic: bool) -> float:
    """How far the end is from what is exact."""
    if stochastic:
        return abs(float(x.var()) / DATA.variance - 1)
    exact = DATA.moved(begun, level_at(SCHEDULE, 1.0), level_at(SCHEDULE, 0.0))
    return float((x - exact).square().mean().sqrt())


def ours(entry: Entry, budget: int, stochastic: bool) -> float:
    laid = SPACINGS.make(entry.spacing)(SCHEDULE, budget // entry.calls, (1, 1, 1))
    begun = start(stochastic)
    sampler = SAMPLERS.make(entry.ours)
    *_, last = sampler(DATA, State(begun, laid.levels[0]), Trajectory(laid.levels, SCHEDULE, 1.0), Draws())
    return error(last.x, begun, stochastic)


def theirs(peer: Any, entry: Entry, budget: int, stochastic: bool) -> float:
    """A pipeline's loop in float64 as far as the scheduler lets it, the network told the timestep it is given."""
    options = dict(TABLE, **dict(entry.options))
    scheduler = _made(getattr(peer, entry.theirs), options, dict(entry.habit))
    steps = budget // entry.calls
    scheduler.set_timesteps(steps)
    begun = start(stochastic)
    first = level_at(SCHEDULE, 1.0)
    x = begun / first.alpha if float(scheduler.init_noise_sigma) > 2 else begun
    draw = {"generator": torch.Generator().manual_seed(1)} if stochastic else {}
    for t in scheduler.timesteps:
        seen = scheduler.scale_model_input(x, t)
        x = scheduler.step(_noise(seen, float(t)), t, x, **draw).prev_sample.double()
    return error(x, begun, stochastic)


def _made(kind: Any, options: dict[str, Any], habit: dict[str, Any]) -> Any:
    """The scheduler, with those of the options that it has, on our table in float64."""
    known = inspect.signature(kind).parameters
    made = kind(**{k: v for k, v in (options | habit).items() if k in known})
    if hasattr(made, "alphas_cumprod"):
        made.alphas_cumprod = SCHEDULE(torch.arange(1, 1001, dtype=torch.float64) / 1000).alpha ** 2
    return made


def _noise(x: Tensor, row: float) -> Tensor:
    level: Level = level_at(SCHEDULE, (row + 1) / 1000)
    return Epsilon()(level).target(x.double(), DATA(x.double(), level))


Curves = dict[Entry, tuple[list[float], list[float]]]
"""Errors by budget, of our side and of the peer's, which has none where it has no such method."""


def table(peer: Any, entries: tuple[Entry, ...], stochastic: bool) -> Curves:
    """Print one table."""
    print("| sampler | spacing | " + " | ".join(f"{b} ours | {b} diffusers" for b in BUDGETS) + " | diffusers' class |")
    print("| --- | --- |" + " --- | --- |" * len(BUDGETS) + " --- |")
    curves: Curves = {}
    for entry in entries:
        mine = [ours(entry, b, stochastic) for b in BUDGETS]
        peers = [theirs(peer, entry, b, stochastic) for b in BUDGETS] if peer and entry.theirs else []
        curves[entry] = mine, peers
        second = [f"{p:.2e}" for p in peers] or [""] * len(BUDGETS)
        cells = " | ".join(f"{m:.2e} | {p}" for m, p in zip(mine, second, strict=True))
        print(f"| {entry.ours} | {entry.spacing} | {cells} | {entry.theirs} |", flush=True)
    print()
    return curves


def draw(curves: Curves, path: Path) -> None:
    """A panel a method: error against evaluations, ours in front of the peer's, as an SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "unnoise", "font.size": 8})
    from matplotlib import pyplot
    from matplotlib.ticker import NullFormatter

    figure, grid = pyplot.subplots(-(-len(curves) // 5), 5, figsize=(11, 7), sharex=True, sharey=True)
    for axes, (entry, (mine, peers)) in zip(grid.flat, curves.items(), strict=False):
        if peers:
            axes.loglog(BUDGETS, peers, "--", color="tab:orange", label="diffusers", lw=2.5)
        axes.loglog(BUDGETS, mine, "-", color="tab:blue", label="unnoise", marker=".", lw=1.2)
        axes.set_title(f"{entry.ours}, {entry.spacing}", fontsize=8)
        axes.set_xticks(BUDGETS, [str(b) for b in BUDGETS])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
        axes.legend(fontsize=6, loc="lower left")
    figure.supxlabel("network evaluations")
    figure.supylabel("distance from the exact solution, root mean square")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description="Error against evaluations")
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    try:
        import diffusers as peer
    except ImportError:
        peer = None
    print("Distance from the exact solution of the ODE, by network evaluations\n")
    curves = table(peer, ODE, stochastic=False)
    print("Error of the variance, as a share of it (about 0.005 is chance), by network evaluations\n")
    table(peer, STOCHASTIC, stochastic=True)
    if asked.picture:
        draw(curves, asked.picture)
    print(f"diffusers {peer.__version__ if peer else 'is not installed'}. {describe()}")


if __name__ == "__main__":
    main()
