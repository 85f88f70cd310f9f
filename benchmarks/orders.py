"""The order of every sampler, as stated and as measured by network evaluations on data known exactly.

    python benchmarks/orders.py

Deterministic samplers: how fast the distance from the ODE's exact solution falls from 192 to 384 steps, on a mixture of
normal distributions and from the paths' first level that holds data. Stochastic ones: how fast the variance of what
they draw nears the data's, on normal data, exactly. The methods and their orders are those of the tests.
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "samplers"))

import test_order as deterministic
import test_weak_order as stochastic

from machine import describe
from oracles import SCHEDULES, Mixture, order
from unnoise.core.trajectory import Trajectory
from unnoise.samplers import SAMPLERS

PATHS = ("rectified", "cosine", "exploding", "scaled_linear", "zero_terminal_snr")
STATED = deterministic.NOMINAL | dict.fromkeys(stochastic.FIRST, 1) | dict.fromkeys(stochastic.SECOND, 2)


def solved(method: str, path: str, steps: int) -> tuple[float, int]:
    """A deterministic method's error and evaluations, from a run that starts where there is data in x."""
    trajectory = deterministic.noisy(path, steps, steps // 16)
    return deterministic.error(method, Mixture(), trajectory), deterministic.evaluations(method, trajectory)


def drawn(method: str, path: str, steps: int) -> tuple[float, int]:
    """A stochastic method's error in the variance, and its steps."""
    trajectory: Trajectory = stochastic.noisy(path, steps)
    return abs(stochastic.off(SAMPLERS.make(method), trajectory)), trajectory.steps


def table(measure: Callable[[str, str, int], tuple[float, int]], methods: tuple[str, ...]) -> None:
    print(f"| sampler | stated | {' | '.join(PATHS)} |")
    print(f"| --- | --- |{' --- |' * len(PATHS)}")
    for method in methods:
        cells = []
        for path in PATHS:
            (coarse, few), (fine, many) = measure(method, path, 192), measure(method, path, 384)
            cells.append(f"{order(coarse, fine, many / few):.2f}")
        print(f"| {method} | {STATED[method]} | {' | '.join(cells)} |", flush=True)
    print()


def main() -> None:
    print("Deterministic: measured order\n")
    table(solved, deterministic.METHODS)
    print("Stochastic: measured order of the variance\n")
    table(drawn, (*stochastic.FIRST, *stochastic.SECOND))
    print(f"Paths: {', '.join(f'{name} ({type(SCHEDULES[name]).__name__})' for name in PATHS)}. {describe()}")


if __name__ == "__main__":
    main()
