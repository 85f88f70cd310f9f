"""diffusers' own test loops: 30 whole runs of its schedulers on a formula in place of a network, by the sums they gave.

`computed` was made in float32, ours is float64: first values and sums agree to 1e-5 of the largest. The fixture says
how each loop was run. What is peculiar to those loops stays here:

- the formula x t / (t + 1) reads the timestep, which is our row;
- EulerDiscrete, EulerAncestral and Heun live in variance-exploding coordinates, x / alpha in ours, and their tests hand
  the *scaled* sample to the step as well: before each step x is multiplied by alpha once more (`Habit`);
- noise comes from one running generator, in the order in which steps ask for it (`Running`);
- two of its float32 tables are wrong by more than 1e-5, and are put in place of ours to show that nothing else differs:
  `Rounded` for DDPM, the file's own sigmas and timesteps for Karras (`test_karras_...`).

LCM's and PNDM's loops are in test_scheduler_sums_lcm.py and test_scheduler_sums_pndm.py.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
import torch

from unnoise.core.clock import Clock, Rows, Scaled
from unnoise.core.denoiser import Denoise
from unnoise.core.level import Level
from unnoise.core.noise import Noise
from unnoise.core.prediction import PREDICTIONS
from unnoise.core.sampler import Sampler, Spacing
from unnoise.core.schedule import Betas, Rectified, Schedule
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory
from unnoise.samplers.ddpm import DDPM
from unnoise.samplers.euler import Euler
from unnoise.samplers.euler_ancestral import EulerAncestral
from unnoise.samplers.heun import Heun
from unnoise.spacings.karras import Karras
from unnoise.spacings.leading import Leading
from unnoise.spacings.linspace import Linspace
from unnoise.spacings.listed import Listed
from unnoise.spacings.shifted import Shifted


@dataclass(frozen=True)
class Rounded:
    """DDPM with diffusers' float32 coefficients (linear betas of 1000 rows).

    Its beta is 1 - kept_now / kept_to, a difference of float32 numbers near 1: at the first rows, where it is 1e-4, it
    is off by up to 6e-8 / 1e-4 = 6e-4 of itself. The weights of data and x in the posterior then no longer fit each
    other, and x shrinks or grows by some 1e-4 a step there. Ours are differences in float64.
    """

    kept: torch.Tensor = field(
        default_factory=lambda: torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float32), 0)
    )

    def at(self, level: Level) -> torch.Tensor:
        row = round(float(level.t) * 1000) - 1
        return self.kept[row] if row >= 0 else torch.ones(())

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            kept, before = self.at(now), self.at(to)
            data = denoise(state.x, Level(now.t, kept.sqrt().double(), (1 - kept).sqrt().double()))
            beta, left = 1 - kept / before, (1 - before) / (1 - kept)
            x = (before.sqrt() * beta / (1 - kept)) * data + ((kept / before).sqrt() * left) * state.x
            if not to.clean:
                x = x + (left * beta).sqrt() * noise(state.x, state.step)
            state = state.next(x, to, data)
            yield state


OURS: dict[str, Sampler] = {
    "DDIMScheduler": Euler(),
    "DDPMScheduler": DDPM(),
    "EulerDiscreteScheduler": Euler(),
    "EulerAncestralDiscreteScheduler": EulerAncestral(),
    "HeunDiscreteScheduler": Heun("ratio"),
}
WITHOUT = {"LCMScheduler": 2, "PNDMScheduler": 4}  # how many loops each has; each has its own file
EXPLODING = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler")
FLOWS = {
    "default": Shifted(1.0, 1e-3),
    # The class shifts its least sigma, 0.001, once when it is made, and every sigma again when steps are set: the least
    # one is shifted twice, 3 * 0.001 / 1.002 = 0.002994 and then 0.008929. So the run's unshifted low is 0.002994.
    "shift 3": Shifted(3.0, 3 * 1e-3 / (1 + 2 * 1e-3)),
    "dynamic shift, exponential, mu 1.15": Shifted(float(torch.tensor(1.15, dtype=torch.float64).exp()), 1e-3),
    "custom sigmas, shift 3": Shifted(3.0),
    "shift 3, from noise at the third last step": Shifted(3.0, 3 * 1e-3 / (1 + 2 * 1e-3)),
}


@pytest.fixture(scope="module")
def sums(shared):
    return json.loads((shared / "fixtures" / "scheduler_sums.json").read_text(encoding="utf-8"))


def sample(backwards: bool = False) -> torch.Tensor:
    count = torch.arange(768, dtype=torch.float64)
    return ((count.flip(0) if backwards else count).reshape(3, 8, 8, 4) / 768).permute(3, 0, 1, 2)


def formula(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return x * t / (t + 1)


@dataclass
class Running:
    """One generator for the whole loop, drawn from when a step needs it, in float32."""

    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    def __call__(self, x: torch.Tensor, step: int, purpose: str = "step") -> torch.Tensor:
        return torch.randn(x.shape, generator=self.generator).to(x)


@dataclass(frozen=True)
class Guess:
    """The formula as a denoiser; `exploding` where it sees x / alpha; `clip` as DDPM and DDIM clip data to [-1, 1]."""

    prediction: str
    clock: Clock
    exploding: bool = False
    clip: bool = False

    def __call__(self, x: torch.Tensor, level: Level) -> torch.Tensor:
        seen = x / level.alpha if self.exploding else x
        data = PREDICTIONS[self.prediction]()(level).data(x, formula(seen, self.clock(level)))
        return data.clamp(-1, 1) if self.clip else data


@dataclass(frozen=True)
class Habit:
    """The tests' scaling, for a denoiser evaluated in mid step (Heun's second): the slope is that of the scaled x."""

    inner: Guess
    now: Level

    def __call__(self, x: torch.Tensor, level: Level) -> torch.Tensor:
        if level is self.now:
            return self.inner(x, level)
        scaled = level.alpha * x
        return (x - scaled) / level.alpha + self.inner(scaled, level)


def laid(case: dict) -> tuple[Schedule, Spacing, int]:
    """Our schedule, spacing and number of steps for one of the table's cases."""
    config = case["full_config"]
    karras = config.get("use_karras_sigmas", False)
    schedule = Betas(
        config["beta_schedule"],
        config["beta_start"],
        config["beta_end"],
        config["num_train_timesteps"],
        between="log_sigma" if karras else "sigma",  # its clock inverts Karras' sigmas in their logarithm
    )
    if case["scheduler"] in EXPLODING:
        return schedule, Karras() if karras else Linspace(), 10
    end = "clean" if config.get("set_alpha_to_one", True) else "row"
    steps = 1000 if case["scheduler"] == "DDPMScheduler" else 10
    return schedule, Leading(config["steps_offset"], "unit", end), steps


def first(case: dict, trajectory: Trajectory, clock: Clock, key: str) -> State:
    """The loop's first state: the sample as it is, or noised to the level of a timestep."""
    if key in case:
        level = next(v for v in trajectory.levels if abs(float(clock(v)) - case[key]) < 1e-3)
        started = sample() * case.get("init_noise_sigma", 1.0)
        return State(level.mix(started, sample(backwards=True)), level)
    level, scale = trajectory.levels[0], case.get("init_noise_sigma", 0.0)
    return State(sample() * (level.alpha * scale if scale else 1.0), level)


def walked(sampler: Sampler, guess: Guess, state: State, trajectory: Trajectory) -> tuple[torch.Tensor, list[Level]]:
    """The loop: the levels it visits and its end; a step at a time where its x is scaled before each."""
    noise, visited = Running(), [now for now, _ in state.remaining(trajectory)]
    if not guess.exploding:
        *_, state = sampler(guess, state, trajectory, noise)
        return state.x, visited
    for now in visited:
        scaled = replace(state, x=state.x * now.alpha)
        state = next(sampler(Habit(guess, now), scaled, trajectory, noise))
    return state.x, visited


def agree(x: torch.Tensor, computed: dict, tolerance: float = 1e-5) -> None:
    values = torch.tensor(computed["first_8"], dtype=torch.float64)
    largest = max(float(values.abs().max()), computed["abs_mean"])
    torch.testing.assert_close(x.flatten()[:8], values, rtol=0, atol=tolerance * largest)
    assert float(x.abs().sum()) == pytest.approx(computed["abs_sum"], rel=tolerance)
    assert float(x.abs().mean()) == pytest.approx(computed["abs_mean"], rel=tolerance)


def test_every_loop_of_the_file_is_replayed_or_named(sums):
    found = [case["scheduler"] for case in sums["cases"]]
    assert {name: found.count(name) for name in set(found) - set(OURS)} == WITHOUT
    assert len(found) == 25 and [case["case"] for case in sums["flow_matching_cases"]] == list(FLOWS)


def prepared(sums: dict, index: int) -> tuple[dict, Trajectory, Rows, Guess]:
    case = [c for c in sums["cases"] if c["scheduler"] in OURS][index]
    schedule, spacing, steps = laid(case)
    clock, config = Rows(schedule.rows), case["full_config"]
    kind = {"epsilon": "epsilon", "v_prediction": "v"}[config["prediction_type"]]
    return (
        case,
        spacing(schedule, steps),
        clock,
        Guess(kind, clock, case["scheduler"] in EXPLODING, config.get("clip_sample", False)),
    )


@pytest.mark.parametrize("index", range(19))
def test_loops_agree(sums, index):
    """DDPM to 6e-5 and Karras to 1e-3, as far as its float32 tables allow; the tests below show that those are all."""
    case, trajectory, clock, guess = prepared(sums, index)
    start = first(case, trajectory, clock, "add_noise_at")
    x, visited = walked(OURS[case["scheduler"]], guess, start, trajectory)
    if isinstance(case["model_timesteps"], list):
        expected = list(dict.fromkeys(case["model_timesteps"]))[: len(visited)]
        assert [float(clock(level)) for level in visited] == pytest.approx(expected, abs=1e-2)
    karras = case["config"].get("use_karras_sigmas", False)
    agree(x, case["computed"], 1e-3 if karras else 6e-5 if case["scheduler"] == "DDPMScheduler" else 1e-5)


@pytest.mark.parametrize("index", [5, 6, 7])
def test_ddpm_agrees_with_its_float32_coefficients(sums, index):
    case, trajectory, clock, guess = prepared(sums, index)
    assert case["scheduler"] == "DDPMScheduler"
    x, _ = walked(Rounded(), guess, first(case, trajectory, clock, "add_noise_at"), trajectory)
    agree(x, case["computed"])


@pytest.mark.parametrize("index", [10, 17])
def test_karras_agrees_with_its_float32_sigmas_and_timesteps(sums, index):
    """Its least sigma is 0.0100013, where sqrt(1e-4 / (1 - 1e-4)) is 0.0100005: 1 - 0.9999 has four digits in float32.

    The ramp is then off by up to 8e-5, and the timesteps it finds between two rows' float32 logarithms by 6e-3.
    """
    case, ours, _, guess = prepared(sums, index)
    assert case["config"]["use_karras_sigmas"]
    sigmas, times = (list(dict.fromkeys(case[k])) for k in ("sigmas", "model_timesteps"))
    assert [float(level.ratio) for level in ours.levels] == pytest.approx(sigmas, rel=1e-4)
    trajectory = Listed(sigmas=tuple(sigmas))(ours.schedule, 10)
    read = {
        float(level.t): torch.tensor(t, dtype=torch.float64) for level, t in zip(trajectory.levels, times, strict=False)
    }
    theirs = replace(guess, clock=lambda level: read[float(level.t)])
    x, _ = walked(OURS[case["scheduler"]], theirs, first(case, trajectory, Rows(1100), "add_noise_at"), trajectory)
    agree(x, case["computed"])


@pytest.mark.parametrize("name", FLOWS)
def test_flow_matching_loops_agree(sums, name):
    case = next(c for c in sums["flow_matching_cases"] if c["case"] == name)
    steps = case["set_timesteps"].get("num_inference_steps", 4)
    trajectory = FLOWS[name](Rectified(), steps)
    assert [float(v.sigma) for v in trajectory.levels] == pytest.approx(case["sigmas"], abs=1e-7)
    clock = Scaled()
    state = first(case, trajectory, clock, "scale_noise_at")
    x, visited = walked(Euler(), Guess("flow", clock), state, trajectory)
    assert [float(clock(v)) for v in visited] == pytest.approx(case["model_timesteps"], abs=1e-3)
    agree(x, case["computed"])


def test_custom_sigmas_may_be_listed_as_they_come_out(sums):
    """0.75 of shift 3 is 0.9: a list of shifted times is the same run."""
    case = next(c for c in sums["flow_matching_cases"] if c["case"] == "custom sigmas, shift 3")
    trajectory = Listed(times=(1.0, 0.9, 0.75, 0.5))(Rectified(), 4)
    x, _ = walked(Euler(), Guess("flow", Scaled()), State(sample(), trajectory.levels[0]), trajectory)
    agree(x, case["computed"])
