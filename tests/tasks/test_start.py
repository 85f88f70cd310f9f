"""Going on from a paused run: unchanged it is the straight run, changed it says so; what does not fit is refused."""

from dataclasses import replace

import pytest
import torch

from unnoise import Generate, Progress, Refused, Result, library
from unnoise.core.level import shared
from unnoise.core.sampler import alone, upward
from unnoise.core.state import Paused
from unnoise.guidances import GUIDANCES
from unnoise.samplers import SAMPLERS
from unnoise.tasks._legs import rerun
from unnoise.weights.paused import write

NEEDY = {"auto": "auto:model=tiny", "per_step": "per_step:scales=5 4 3 2 1.5"}
"""Guidances that say nothing without an option."""
WALKERS = [name for name in SAMPLERS if not upward(SAMPLERS[name])]


@pytest.fixture(scope="module")
def shelf(tiny_model):
    return library({"tiny": str(tiny_model)}, device="cpu")


def ask(**fields):
    return Generate(**{"prompt": "a red fox", "model": "tiny", "seed": 7, "steps": 5} | fields)


def events(task, shelf):
    found = list(task.run(shelf))
    return [e for e in found if isinstance(e, Progress)], [e for e in found if isinstance(e, Result)]


def paused(shelf, step=2, **fields):
    return next(e for e in ask(**fields).run(shelf) if isinstance(e, Progress) and e.step == step).paused()


def agree(task, shelf, tmp_path, every=1):
    """Whether the run, saved to a file and gone on with from any step, ends as the straight one."""
    steps, (straight,) = events(task, shelf)
    for event in steps[:-1:every]:
        write(tmp_path / "state.safetensors", event.paused())
        ahead, (result,) = events(replace(task, start=shelf.register(tmp_path / "state.safetensors")), shelf)
        assert [e.step for e in ahead] == [e.step for e in steps[event.step :]]
        assert {e.steps for e in ahead} == {steps[0].steps}
        assert torch.equal(result.latent, straight.latent) and torch.equal(result.pixels, straight.pixels)
        assert result.record == straight.record


@pytest.mark.parametrize("sampler", [*WALKERS, "ddim:eta=1"])
def test_unchanged_it_is_the_straight_run_with_every_sampler(shelf, tmp_path, sampler):
    agree(ask(sampler=sampler), shelf, tmp_path, every=200 if alone(SAMPLERS.make(sampler)) else 1)


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_unchanged_it_is_the_straight_run_with_every_guidance(shelf, tmp_path, guidance):
    task = ask(
        guidance=NEEDY.get(guidance, guidance), negative="" if guidance == "auto" else "the moon", sampler="dpmpp_2m"
    )
    try:
        next(task.run(shelf))
    except Refused as refused:
        pytest.skip(f"the tiny model cannot: {refused}")
    agree(task, shelf, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a blue whale"},
        {"negative": "moon"},
        {"sampler": "heun"},
        {"sampler": "ddim:eta=1"},
        {"spacing": "karras"},
        {"guidance": 1},
        {"steps": 11},
        {"seed": 8, "sampler": "euler_ancestral"},
    ],
    ids=str,
)
def test_changed_it_is_another_picture_whose_record_makes_it_again(shelf, change):
    first = ask(sampler="dpmpp_2m")
    digest = shelf.register(paused(shelf, sampler="dpmpp_2m"))
    straight = events(first, shelf)[1][0]
    result = events(replace(first, start=digest, **change), shelf)[1][0]
    assert not torch.equal(result.latent, straight.latent)
    record = result.record
    assert record.past == ({"request": straight.record.request, "until": 2},)
    assert record.request["start"] == digest and record.altered() == ()
    assert record.trail[:2] == straight.record.trail[:2] and record.trail[2] != straight.record.trail[2]
    again = next(e for e in rerun(record, shelf) if isinstance(e, Result))
    assert torch.equal(again.latent, result.latent) and again.record.trail == record.trail


def test_a_run_may_change_twice_and_change_back(shelf):
    first = ask(steps=6)
    one = shelf.register(paused(shelf, 2, steps=6))
    steps, _ = events(replace(first, prompt="the moon", start=one), shelf)
    two = shelf.register(next(e for e in steps if e.step == 4).paused())
    result = events(replace(first, start=two), shelf)[1][0]
    assert [leg["until"] for leg in result.record.past] == [2, 4]
    assert [leg["request"]["prompt"] for leg in result.record.past] == ["a red fox", "the moon"]
    again = next(e for e in rerun(result.record, shelf) if isinstance(e, Result))
    assert torch.equal(again.latent, result.latent)


def test_several_seeds_may_go_on_from_one_state(shelf):
    digest = shelf.register(paused(shelf, sampler="euler_ancestral"))
    found = events(ask(sampler="euler_ancestral", start=digest, count=3), shelf)[1]
    assert torch.equal(found[0].latent, events(ask(sampler="euler_ancestral"), shelf)[1][0].latent)
    assert len({r.record.pixels for r in found}) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [({"width": 32}, "width 16, not 32"), ({"height": 8}, "height 16, not 8"), ({"start": "f" * 64}, "holds no state")],
    ids=str,
)
def test_what_cannot_change_is_refused(shelf, change, said):
    digest = shelf.register(paused(shelf))
    with pytest.raises(Refused, match=said):
        list(ask(**{"start": digest} | change).run(shelf))


def test_a_run_that_was_changed_too_often_is_refused(shelf):
    """A record of one more request could not be read."""
    state = paused(shelf)
    past = ({"request": {}, "until": 1},) * 100
    digest = shelf.register(replace(state, record=replace(state.record, past=past)))
    with pytest.raises(Refused, match="changed 100 times"):
        list(ask(start=digest).run(shelf))


def test_other_weights_are_refused_before_they_are_loaded(shelf, tmp_path, tiny_model):
    data = bytearray(tiny_model.read_bytes())
    data[-1] ^= 1
    (tmp_path / "other.safetensors").write_bytes(data)
    other = library({"tiny": tmp_path / "other.safetensors"}, device="cpu")
    digest = other.register(paused(shelf))
    with pytest.raises(Refused, match="other weights"):
        list(ask(start=digest).run(other))
    assert other._kept == {}


def changed(shelf, **fields):
    given = paused(shelf, sampler="dpmpp_2m")
    return shelf.register(Paused(replace(given.state, **fields), given.record))


def test_states_that_this_model_was_never_in_are_refused(shelf):
    level = paused(shelf).state.level
    cases = {
        "sample is 3x8x16, the model's 3x16x16": {"x": torch.zeros(1, 3, 8, 16), "data": None},
        "off the model's noise schedule": {"level": shared(float(level.t), 0.1, 0.2)},
        "nothing is left": {"level": shared(0.0, 1.0, 0.0)},
        "noise schedule": {"level": shared(7.0, float(level.alpha), float(level.sigma))},
    }
    for said, fields in cases.items():
        with pytest.raises(Refused, match=said):
            list(ask(start=changed(shelf, **fields), sampler="dpmpp_2m").run(shelf))


@pytest.mark.parametrize(
    "memory",
    [
        {"dpmpp_2m.data": torch.zeros(1)},
        {"dpmpp_2m.other": torch.zeros(1)},
        {"dpmpp_2m.data": torch.zeros(1, 3, 5, 5), "dpmpp_2m.log_snr": torch.zeros(())},
        {"dpmpp_2m.data": torch.zeros(1, 3, 16, 16), "dpmpp_2m.log_snr": torch.zeros(7, 9)},
    ],
    ids=lambda m: " ".join(f"{k}{tuple(v.shape)}" for k, v in m.items()),
)
def test_memory_that_the_sampler_did_not_leave_is_refused(shelf, memory):
    with pytest.raises(Refused, match=r"cannot go on|finite"):
        list(ask(start=changed(shelf, memory=memory), sampler="dpmpp_2m").run(shelf))


def test_pictures_that_share_a_run_cannot_be_paused(shelf):
    given = paused(shelf)
    both = replace(given.state, x=given.state.x.expand(2, -1, -1, -1))
    with pytest.raises(Refused, match="one picture"):
        shelf.register(Paused(both, given.record))
