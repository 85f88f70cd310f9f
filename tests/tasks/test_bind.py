"""Binding a plan: every branch a guidance asks for, any guidance with any sampler, and resuming them bit for bit."""

from dataclasses import dataclass, field, replace
from functools import cache

import pytest
import torch
from torch import nn

from unnoise import Generate, Progress, Refused, Result, library, load
from unnoise.core.branch import View
from unnoise.core.clock import Scaled
from unnoise.core.denoiser import Denoiser
from unnoise.core.model import Wish
from unnoise.core.noise import Seeds
from unnoise.core.prediction import V
from unnoise.core.sampler import upward
from unnoise.core.schedule import Cosine
from unnoise.core.state import State, begin
from unnoise.guidances import GUIDANCES
from unnoise.samplers import SAMPLERS
from unnoise.spacings.uniform import Uniform
from unnoise.tasks._bind import bind, others

STEPS = 4
SPECS = {
    "classifier_free": "classifier_free:scale=3",
    "auto": "auto:model=weak,scale=1.5",
    "per_step": "per_step:scales=3 1 2 4",
    "apg": "apg:scale=3,threshold=4",
    "zero_star": "zero_star:scale=2",
    "perturbed": "perturbed:scale=2,strength=1",
    "skip_layer": "skip_layer:scale=2,strength=1",
}
"""A guidance each, but those that a request cannot spell, or that need what a request of words does not have."""
GUIDED = {name: SPECS.get(name, name) for name in GUIDANCES if name not in ("energy", "dual", "embedded")}
guidances = pytest.mark.parametrize("guidance", GUIDED.values(), ids=GUIDED)


@dataclass
class Shelf:
    """A library of models in memory that notes which it gave."""

    models: dict
    exact: bool = False
    given: list = field(default_factory=list)

    def model(self, name):
        self.given.append(name)
        return self.models[name]


@cache
def _load(path):
    return load(path, device="cpu")


@pytest.fixture(scope="module")
def model(tiny_model):
    return _load(str(tiny_model))


@pytest.fixture(scope="module")
def weak(model):
    """The same model, less trained: half of its weights."""
    network = type(model.denoiser.network)(model.denoiser.network.config)
    network.load_state_dict({k: v / 2 for k, v in model.denoiser.network.state_dict().items()})
    return replace(model, denoiser=Denoiser(network, V(), model.denoiser.clock)).named("weak")


def planned(model, **fields):
    request = {"prompt": "a red fox", "negative": "the moon", "steps": STEPS, "seed": 3, "width": 8, "height": 8}
    if str(fields.get("guidance", "")).startswith("auto"):
        request["negative"] = ""
    return Generate(**(request | fields)).plan(model.description)


def run(model, weak, guidance, sampler, state=None, count=1):
    plan = planned(model, guidance=guidance, sampler=sampler, count=count)
    trajectory, noise = Uniform()(model.schedule, STEPS), Seeds(plan.seeds)
    start = begin(trajectory, noise.start((3, 8, 8))) if state is None else state
    denoise = bind(plan, model, Shelf({"weak": weak}), trajectory, count).resumed(start)
    for reached in SAMPLERS.make(plan.sampler)(denoise, start, trajectory, noise):
        yield denoise.kept(reached)


@guidances
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if not upward(SAMPLERS[name])])
def test_any_guidance_runs_with_any_sampler_and_resumes_bit_for_bit(model, weak, guidance, sampler):
    loose = f"{sampler}:rtol=0.5,atol=0.5" if sampler == "dpm_adaptive" else sampler
    states = list(run(model, weak, guidance, loose))
    assert states[-1].x.isfinite().all()
    for state in {states[len(states) // 3].step: states[len(states) // 3], states[-2].step: states[-2]}.values():
        saved = State(state.x.clone(), state.level, state.step, state.data, dict(state.memory))
        *_, last = run(model, weak, guidance, loose, saved)
        assert torch.equal(last.x, states[-1].x) and last.step == states[-1].step


FOLLOWING = [name for name in SAMPLERS if getattr(SAMPLERS[name], "branches", ())]


@pytest.mark.parametrize("sampler", FOLLOWING)
@pytest.mark.parametrize("guidance", ["1", "auto:model=weak,scale=1.5"])
def test_a_sampler_that_follows_a_branch_gets_it_whatever_the_guidance(model, weak, sampler, guidance):
    plan = planned(model, guidance=guidance, sampler=sampler)
    guided = bind(plan, model, Shelf({"weak": weak}), Uniform()(model.schedule, STEPS), 1)
    assert "negative" in guided.branches
    *_, last = run(model, weak, guidance, sampler)
    assert last.x.isfinite().all()


@guidances
def test_another_guidance_may_take_over(model, weak, guidance):
    """It finds nothing in the memory that is its own, and leaves none behind that is not."""
    first = [state for state, _ in zip(run(model, weak, guidance, "dpmpp_2m"), range(2), strict=False)][-1]
    *_, last = run(model, weak, "apg", "dpmpp_2m", first)
    assert last.x.isfinite().all() and last.step == STEPS


def test_apg_s_memory_is_in_the_state_and_matters(model, weak):
    states = list(run(model, weak, SPECS["apg"], "euler"))
    assert set(states[1].memory) == {"apg.sum"} and states[1].memory["apg.sum"].shape == states[1].x.shape
    bare = State(states[1].x, states[1].level, states[1].step, states[1].data)
    *_, last = run(model, weak, SPECS["apg"], "euler", bare)
    assert not torch.equal(last.x, states[-1].x)


@guidances
def test_a_request_of_several_pictures_keeps_each_its_own(model, weak, guidance):
    shelf = library({"tiny": model, "weak": weak}, device="cpu")
    negative = "" if guidance.startswith("auto") else "the moon"
    ask = Generate(prompt="a red fox", model="tiny", negative=negative, guidance=guidance, steps=STEPS, seed=5, count=2)
    together = [e for e in ask.run(shelf) if isinstance(e, Result)]
    alone = [e for e in replace(ask, seed=6, count=1).run(shelf) if isinstance(e, Result)]
    assert torch.equal(together[1].latent, alone[0].latent) and together[1].record.guidance == alone[0].record.guidance


def test_the_task_puts_memory_into_its_states(model):
    ask = Generate(prompt="a red fox", model="tiny", guidance="apg", steps=STEPS, seed=5)
    states = [e.state for e in ask.run(library({"tiny": model}, device="cpu")) if isinstance(e, Progress)]
    assert all("apg.sum" in state.memory for state in states)


def test_branches_of_one_network_run_as_one_batch(model, weak):
    calls = []
    hook = model.denoiser.network.register_forward_hook(lambda _module, given, _out: calls.append(len(given[0])))
    try:
        for spec, sizes in {"4": [2], "perp_neg": [3], "perturbed": [2], "auto:model=weak": [1]}.items():
            calls.clear()
            trajectory = Uniform()(model.schedule, STEPS)
            guided = bind(planned(model, guidance=spec), model, Shelf({"weak": weak}), trajectory, 1)
            guided(torch.zeros(1, 3, 8, 8), trajectory.levels[1])
            # The perturbed view is called through a tree of its own, which has the hooks of the moment it was made.
            assert calls[:1] == sizes
    finally:
        hook.remove()


def test_a_view_shares_the_model_s_weights_and_changes_nothing(model):
    before = {n: (p.data_ptr(), p._version) for n, p in model.denoiser.named_parameters()}
    guided = bind(planned(model, guidance="perturbed"), model, Shelf({}), Uniform()(model.schedule, STEPS), 2)
    own = {p.data_ptr() for p in model.denoiser.parameters()}
    assert {p.data_ptr() for p in guided.branches["apart"].denoiser.parameters()} == own
    assert guided.branches["apart"].denoiser is not model.denoiser
    assert guided.branches["positive"].denoiser is guided.branches["negative"].denoiser is model.denoiser
    assert guided.branches["apart"].condition is guided.branches["positive"].condition
    guided(torch.zeros(2, 3, 8, 8), Uniform()(model.schedule, STEPS).levels[1])
    assert {n: (p.data_ptr(), p._version) for n, p in model.denoiser.named_parameters()} == before


def test_autoguidance_with_the_same_model_is_that_model(model):
    trajectory, x = Uniform()(model.schedule, STEPS), torch.randn(1, 3, 8, 8)
    shelf = Shelf({"same": model})
    plan = planned(model, guidance="auto:model=same,scale=3")
    guided = bind(plan, model, shelf, trajectory, 1)
    alone = guided.branches["positive"](x, trajectory.levels[1])
    torch.testing.assert_close(guided(x, trajectory.levels[1]), alone)
    assert shelf.given == ["same"] and others(plan.guidance) == ("same",) and others("apg") == ()


def test_a_weak_model_reads_the_prompt_by_its_own_conditioner_and_predicts_what_it_likes(model, weak):
    class Deaf(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.heard = inner, []

        def prepare(self, wishes):
            self.heard += [wish.prompt for wish in wishes]
            return self.inner.prepare(wishes)

        def forward(self, tokens):
            return self.inner(tokens)

    reader = Deaf(weak.conditioner)
    trajectory, x = Uniform()(model.schedule, STEPS), torch.randn(1, 3, 8, 8)
    plan = planned(model, guidance="auto:model=weak,scale=2")
    guided = bind(plan, model, Shelf({"weak": replace(weak, conditioner=reader)}), trajectory, 1)
    assert reader.heard == ["a red fox"]
    strong, pale = (guided.branches[n](x, trajectory.levels[1]) for n in ("positive", "weak"))
    torch.testing.assert_close(guided(x, trajectory.levels[1]), 2 * strong - pale, atol=1e-5, rtol=1e-4)


def test_a_weak_model_of_another_kind_is_refused(model):
    other = replace(model, schedule=Cosine())
    plan = planned(model, guidance="auto:model=other")
    with pytest.raises(Refused, match="another noise schedule") as refusal:
        bind(plan, model, Shelf({"other": other}), Uniform()(model.schedule, STEPS), 1)
    assert refusal.value.field == "guidance"
    grey = replace(model, codec=type(model.codec)(replace(model.codec.config, channels=1)))
    with pytest.raises(Refused, match="samples of another kind"):
        bind(plan, model, Shelf({"other": grey}), Uniform()(model.schedule, STEPS), 1)


@pytest.mark.parametrize("guidance", ["perturbed", "skip_layer"])
def test_a_network_that_has_no_weaker_view_is_refused(model, guidance):
    plain = replace(model, denoiser=Denoiser(nn.Linear(1, 1), V(), Scaled()))
    with pytest.raises(Refused, match="a Linear, has no weaker view") as refusal:
        bind(planned(model, guidance=guidance), plain, Shelf({}), Uniform()(model.schedule, STEPS), 1)
    assert refusal.value.field == "guidance"


def test_a_layer_that_is_not_there_is_refused(model):
    with pytest.raises(Refused, match="no layer 5"):
        bind(planned(model, guidance="skip_layer:layers=5"), model, Shelf({}), Uniform()(model.schedule, STEPS), 1)
    view = GUIDANCES.make("skip_layer:layers=0").branches["skipped"].view
    assert view == View("skipped", (0,))


def test_a_guidance_that_does_not_fit_the_run_is_refused(model):
    with pytest.raises(Refused, match="2 scales of guidance are listed for 4 steps"):
        bind(planned(model, guidance="per_step:scales=3 2"), model, Shelf({}), Uniform()(model.schedule, STEPS), 1)


def test_each_branch_has_its_own_words(model):
    """The prompt's, the negative prompt's, and for the free branch none, whatever the negative prompt says."""
    guided = bind(planned(model, guidance="perp_neg"), model, Shelf({}), Uniform()(model.schedule, STEPS), 1)
    for branch, words in {"positive": "a red fox", "negative": "the moon", "free": ""}.items():
        alone = bind(
            planned(model, prompt=words, negative="", guidance=1), model, Shelf({}), Uniform()(model.schedule, STEPS), 1
        )
        assert_read_alike(guided.branches[branch].condition, alone.branches["positive"].condition)


def assert_read_alike(found, expected):
    """Words read beside others are what they are alone, however far they are filled up."""
    assert torch.allclose(found.context[found.mask], expected.context[expected.mask], atol=1e-5)
    assert torch.allclose(found.pooled, expected.pooled, atol=1e-5)


def test_all_words_of_a_run_are_read_at_once_and_as_if_alone(model):
    read = []

    class Noting(nn.Module):
        def prepare(self, wishes):
            read.append([wish.prompt for wish in wishes])
            return model.conditioner.prepare(wishes)

        def forward(self, tokens):
            return model.conditioner(tokens)

    plan = planned(model, guidance="classifier_free:scale=3", negative="grey and blurred, and a long way from here")
    noting = replace(model, conditioner=Noting())
    guided = bind(plan, noting, Shelf({}), Uniform()(model.schedule, STEPS), 2)
    assert read == [[plan.prompt, plan.negative]]
    for name, words in (("positive", plan.prompt), ("negative", plan.negative)):
        with torch.no_grad():
            alone = model.conditioner(model.conditioner.prepare([Wish(words)] * 2))
        assert_read_alike(guided.branches[name].condition, alone)
