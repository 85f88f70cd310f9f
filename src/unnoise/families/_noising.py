"""How a family's data become noise, what its network predicts, and how steps are laid: by the registries' names.

A diffusers folder says so in scheduler/scheduler_config.json. Its class is only a sampler and that sampler's habits, so
it is the model's default and no more; what the model was trained on are the betas, or the straight path, and the
prediction. A run by default is then diffusers' own, number for number, and any other sampler goes along the plain rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from unnoise.core.error import Refused
from unnoise.core.registry import fold
from unnoise.samplers import SAMPLERS
from unnoise.weights.maps._settings import bad, flag, number, one_of, whole

if TYPE_CHECKING:
    from unnoise.core.clock import Clock
    from unnoise.core.prediction import Prediction
    from unnoise.core.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class Noising:
    """Args:
    path: a table of betas, or straight lines to noise.
    betas: settings of the table.
    prediction: what the network gives.
    rounded: whether the network is only asked about whole rows.
    spacing: how steps are laid, whatever the sampler.
    sampler: the default one.
    habit: how steps are laid for that, where it differs.
    """

    path: Literal["betas", "straight"] = "betas"
    betas: Mapping[str, Any] = field(default_factory=dict[str, Any])
    prediction: str = "epsilon"
    rounded: bool = False
    spacing: str = "leading:offset=1"
    sampler: str = "euler"
    habit: str = ""

    @property
    def defaults(self) -> dict[str, str]:
        """The sampler and its spacing, as a request would have them."""
        return {"sampler": self.sampler} | ({"spacing": self.habit} if self.habit else {})

    def parts(self) -> "tuple[Prediction, Clock, Schedule]":
        """What the names stand for."""
        from unnoise.core.clock import Rows, Scaled
        from unnoise.core.prediction import PREDICTIONS
        from unnoise.core.schedule import Betas, Rectified

        prediction = PREDICTIONS[self.prediction]()
        if self.path == "straight":
            return prediction, Scaled(), Rectified()
        rows = self.betas.get("rows", 1000)
        return prediction, Rows(rows, self.rounded), Betas(**self.betas)


UNIT = ("DDIM", "DDPM", "PNDM", "LCM", "TCD")
"""Classes that start at unit variance and ask about whole rows."""
MULTISTEP = ("DPMSolverMultistep", "UniPCMultistep", "DEISMultistep")
"""The same, and lay out a row more than they visit."""
EXPLODING = (
    "EulerDiscrete",
    "EulerAncestralDiscrete",
    "HeunDiscrete",
    "LMSDiscrete",
    "KDPM2Discrete",
    "KDPM2AncestralDiscrete",
)
"""Classes that think in sigma / alpha, and so start at their first level's own noise, but for leading rows."""

PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "data", "flow_prediction": "flow"}
ROWS = 100_000
"""The most rows of a table of betas."""
CURVES = {"linear": "linear", "scaled_linear": "scaled_linear", "squaredcos_cap_v2": "squared_cosine"}

TABLE = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "prediction_type", "rescale_betas_zero_snr")
STEPS = ("timestep_spacing", "steps_offset", "set_alpha_to_one", "final_sigmas_type", "skip_prk_steps")
CURVED = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
SOLVER = ("solver_order", "solver_type", "variance_type", "timestep_scaling")
SHIFT = ("shift", "use_dynamic_shifting", "base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len")
CLIPPING = ("clip_sample", "clip_sample_range", "dynamic_thresholding_ratio", "sample_max_value")
ENDING = ("lower_order_final", "euler_at_final", "original_inference_steps", "use_lu_lambdas", "flow_shift", "solver_p")
KNOWN = {*TABLE, *STEPS, *CURVED, *SOLVER, *SHIFT, *CLIPPING, *ENDING}
"""Settings that are read, and those that change nothing: pipelines of latents switch clipping off, and the last step
to the clean level is of first order in any case."""
PLAIN: Mapping[str, tuple[Any, ...]] = {
    "trained_betas": (None,),
    "thresholding": (False,),
    "interpolation_type": ("linear",),
    "timestep_type": ("discrete",),
    "sigma_min": (None,),
    "sigma_max": (None,),
    "algorithm_type": ("dpmsolver++", "deis"),
    "use_flow_sigmas": (False,),
    "lambda_min_clipped": (None, "-inf", float("-inf")),
    "predict_x0": (True,),
    "disable_corrector": ([], None),
    "invert_sigmas": (False,),
    "shift_terminal": (None, 0),
    "time_shift_type": ("exponential",),
    "stochastic_sampling": (False,),
}
"""Settings that have to be what nearly every file has, and what that is."""


def noising(config: Mapping[str, Any], usual: Noising) -> Noising:
    """What a scheduler_config.json says.

    Args:
        config: its content.
        usual: the family's own, whose path it must share.

    Raises:
        Refused: its class, a setting or a value is none we know.
    """
    name = str(config.get("_class_name")).removesuffix("Scheduler")
    if name not in (*UNIT, *MULTISTEP, *EXPLODING, STRAIGHT):
        known = ", ".join(f"{each}Scheduler" for each in (*UNIT, *MULTISTEP, *EXPLODING, STRAIGHT))
        what = f"scheduler_config.json names the class {str(config.get('_class_name'))[:60]!r}"
        raise Refused(what, f"known are {known}", "model")
    if (name == STRAIGHT) != (usual.path == "straight"):
        lines = "straight lines" if usual.path == "straight" else "a table of betas"
        raise Refused(f"scheduler_config.json names {name}Scheduler", f"this model was trained on {lines}", "model")
    _check_settings(config)
    return _straight(config, usual) if name == STRAIGHT else _tabled(name, config)


STRAIGHT = "FlowMatchEulerDiscrete"


def _check_settings(config: Mapping[str, Any]) -> None:
    for setting, value in config.items():
        if setting.startswith("_") or setting in KNOWN:
            continue
        if setting not in PLAIN:
            raise Refused(f"scheduler_config.json has {setting[:60]!r}", "no such setting is known", "model")
        if value not in PLAIN[setting]:
            raise bad(setting, value, " or ".join(map(str, PLAIN[setting])))


def _tabled(name: str, config: Mapping[str, Any]) -> Noising:
    exploding = name in EXPLODING
    usual = "leading" if name in UNIT else "linspace"
    spaced = one_of(config, "timestep_spacing", ("leading", "linspace", "trailing"), usual)
    karras = flag(config, "use_karras_sigmas", False)
    curve = one_of(config, "beta_schedule", tuple(CURVES), "linear")
    start, end = number(config, "beta_start", 0.0001), number(config, "beta_end", 0.02)
    betas: dict[str, Any] = {"curve": CURVES[curve], "start": start, "end": end}
    betas["rows"] = whole(config, "num_train_timesteps", 1000, least=2)
    if betas["rows"] > ROWS or not 0 < start <= end < 1:
        raise Refused("scheduler_config.json has betas that are none", "they lie between 0 and 1", "model")
    betas["zero_terminal_snr"] = flag(config, "rescale_betas_zero_snr", False)
    betas["between"] = "sigma" if exploding and spaced == "linspace" and not karras else "log_sigma"
    offset = whole(config, "steps_offset", 0, least=0)
    return Noising(
        betas=betas,
        prediction=PREDICTIONS[one_of(config, "prediction_type", tuple(PREDICTIONS), "epsilon")],
        rounded=karras and not exploding,
        spacing=_spec(spaced, [f"offset={offset}"] if spaced == "leading" and offset else []),
        sampler=_sampler(name, config),
        habit=_curve(name, config) or _spec(spaced, _habits(name, spaced, offset, config)),
    )


def _habits(name: str, spaced: str, offset: int, config: Mapping[str, Any]) -> list[str]:
    """How a class lays its rows, as options of the spacing."""
    options = [f"offset={offset}"] if spaced == "leading" and offset else []
    unit = spaced == "leading" if name in EXPLODING else True
    options += ["start=unit"] if unit else []
    if spaced == "linspace" and name not in EXPLODING:
        options += ["rounded=true"]
    if name in MULTISTEP and spaced != "trailing":
        options += ["extra=1"]
    to_row = name == "DEISMultistep" or one_of(config, "final_sigmas_type", ("zero", "sigma_min"), "zero") != "zero"
    if name in ("DDIM", "PNDM"):
        to_row = not flag(config, "set_alpha_to_one", name == "DDIM")
    return options + (["end=row"] if to_row else [])


def _curve(name: str, config: Mapping[str, Any]) -> str:
    """The spacing that takes the rows' place, where one is asked for."""
    asked = [n for n in ("karras", "exponential", "beta") if flag(config, f"use_{n}_sigmas", False)]
    if len(asked) > 1:
        raise Refused(f"scheduler_config.json asks for {' and '.join(asked)} at once", "keep one", "model")
    if asked == ["karras"] and name not in EXPLODING:
        return "karras:start=unit"
    return {"beta": "beta:over=sigma"}.get(asked[0], asked[0]) if asked else ""


def _sampler(name: str, config: Mapping[str, Any]) -> str:
    """The sampler that a class is, with the options that its settings come to."""
    spec = SAMPLERS.aliases.get(fold(f"{name}Scheduler"), "euler")
    if name == "PNDM":
        return "pndm:prk=false" if flag(config, "skip_prk_steps", False) else "pndm"
    order = whole(config, "solver_order", 2)
    if name == "DPMSolverMultistep" and order != 2:
        raise bad("solver_order", order, "2")
    if name in ("UniPCMultistep", "DEISMultistep"):
        if order > 3:
            raise bad("solver_order", order, "1 to 3")
        return f"{spec.partition(':')[0]}:order={order}"
    if name == "DDPM":
        size = one_of(config, "variance_type", ("fixed_small", "fixed_large"), "fixed_small")
        return f"ddpm:variance={size.removeprefix('fixed_')}"
    return spec


def _straight(config: Mapping[str, Any], usual: Noising) -> Noising:
    """SD 3 lays equal steps from 1 to its least time, Flux to clean: the family's own spacing tells which."""
    if whole(config, "num_train_timesteps", 1000) != 1000:
        raise bad("num_train_timesteps", config["num_train_timesteps"], "1000")
    shift, ends = number(config, "shift", 1.0), "low=" in usual.spacing
    if not flag(config, "use_dynamic_shifting", False):
        return replace(usual, spacing=shifted(shift, ends))
    for setting, wanted in (("base_image_seq_len", 256), ("max_image_seq_len", 4096)):
        if whole(config, setting, wanted) != wanted:
            raise bad(setting, config[setting], str(wanted))
    base, most = number(config, "base_shift", 0.5), number(config, "max_shift", 1.15)
    least = ["low=0.001"] if ends else []
    return replace(usual, spacing=_spec("dynamic", [f"base={base!r}", f"most={most!r}", *least]))


def shifted(shift: float, ends: bool) -> str:
    """The spacing of a fixed shift.

    Args:
        ends: whether steps go to the least time of a table of 1000, which is itself shifted, and then to clean, as
            Stability AI lays them; else they are equal down to clean.

    Raises:
        Refused: the shift is none.
    """
    if shift <= 0:
        raise bad("shift", shift, "a number above 0")
    if ends:
        return _spec("shifted", [f"shift={shift!r}", f"low={0.001 * shift / (1 + (shift - 1) * 0.001)!r}"])
    return "uniform" if shift == 1 else _spec("shifted", [f"shift={shift!r}"])


def _spec(name: str, options: list[str]) -> str:
    return f"{name}:{','.join(options)}" if options else name
