"""Spacings beside diffusers' own, live: published tables, its functions and its schedulers' sigmas."""

import warnings
from types import ModuleType

import numpy as np
import pytest

from unnoise.core.schedule import Betas, Rectified
from unnoise.spacings.align_your_steps import PUBLISHED, AlignYourSteps
from unnoise.spacings.beta import Beta
from unnoise.spacings.dynamic import Dynamic
from unnoise.spacings.linear_quadratic import LinearQuadratic

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
TABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
MODELS = {"sd15": "StableDiffusion", "sdxl": "StableDiffusionXL", "svd": "StableDiffusionVideo"}


@pytest.fixture(scope="module")
def peer() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of optional packages
        return pytest.importorskip("diffusers", reason="diffusers, the peer compared with, is not installed")


@pytest.mark.parametrize("model", PUBLISHED)
def test_align_your_steps_has_diffusers_tables(peer, model):
    theirs = peer.schedulers.AysSchedules[f"{MODELS[model]}Sigmas"]
    assert [*PUBLISHED[model][:-1], 0.0] == theirs


@pytest.mark.parametrize("model", ["sd15", "sdxl"])
def test_align_your_steps_published_sigmas_are_its_published_timesteps(peer, model):
    """Half lie within half a row, all within two: sigmas were published to three decimals, timesteps whole."""
    rows = [float(v.t) * 1000 - 1 for v in AlignYourSteps(model)(Betas(), 10).levels[:-1]]
    off = np.abs(np.array(rows) - peer.schedulers.AysSchedules[f"{MODELS[model]}Timesteps"])
    assert off.max() < 2 and np.median(off) < 0.5


@pytest.mark.parametrize("model", ["sd15", "sdxl"])
def test_align_your_steps_are_what_its_euler_runs(peer, model):
    theirs = peer.schedulers.AysSchedules[f"{MODELS[model]}Sigmas"]
    euler = peer.EulerDiscreteScheduler(**TABLE)
    euler.set_timesteps(sigmas=theirs)
    ours = [float(v.ratio) for v in AlignYourSteps(model)(Betas(), 10).levels]
    assert euler.sigmas.tolist() == pytest.approx(ours, rel=1e-4)


@pytest.mark.parametrize("steps", [2, 5, 20, 64])
@pytest.mark.parametrize("linear", [0, 1])
def test_linear_quadratic_is_mochi_s(peer, steps, linear):
    from diffusers.pipelines.mochi.pipeline_mochi import linear_quadratic_schedule

    theirs = linear_quadratic_schedule(steps, 0.01, linear or None)
    ours = [float(v.t) for v in LinearQuadratic(0.01, linear)(Rectified(), steps).levels]
    assert ours == pytest.approx([*theirs, 0.0], abs=1e-12)


@pytest.mark.parametrize("shape", [(16, 32, 32), (16, 64, 96), (16, 128, 128)])
def test_the_dynamic_shift_is_flux_s(peer, shape):
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    scheduler = peer.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    mu = calculate_shift(shape[1] * shape[2] // 4)
    assert Dynamic().mu(shape) == pytest.approx(mu)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / 12, 12), mu=mu)
    ours = [float(v.t) for v in Dynamic()(Rectified(), 12, shape).levels]
    assert scheduler.sigmas.tolist() == pytest.approx(ours, abs=1e-6)


@pytest.mark.parametrize("steps", [2, 10, 33])
def test_beta_over_sigma_is_diffusers_beta_sigmas(peer, steps):
    pytest.importorskip("scipy", reason="diffusers needs scipy for its beta sigmas")
    scheduler = peer.EulerDiscreteScheduler(**TABLE, use_beta_sigmas=True)
    scheduler.set_timesteps(steps)
    ours = [float(v.ratio) for v in Beta(over="sigma")(Betas(between="sigma"), steps).levels]
    assert scheduler.sigmas.tolist() == pytest.approx(ours, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("steps", [1, 7, 20, 30])
def test_beta_over_rows_is_comfyui_s(steps):
    stats = pytest.importorskip("scipy.stats", reason="the peer takes its quantiles from scipy")
    parts = 1 - np.linspace(0, 1, steps, endpoint=False)
    theirs = np.rint(stats.beta.ppf(parts, 0.6, 0.6) * 999)
    ours = [float(v.t) * 1000 - 1 for v in Beta(rounded=True)(Betas(), steps).levels[:-1]]
    assert ours == pytest.approx(theirs.tolist())
