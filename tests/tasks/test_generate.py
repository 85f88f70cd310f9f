"""The task `generate`: what it refuses before anything is loaded, and that a seed is a picture."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unnoise import Generate, Progress, Refused, Result, describe, library
from unnoise.core.description import Description
from unnoise.core.sampler import upward
from unnoise.media.image import pixels_sha256
from unnoise.samplers import SAMPLERS
from unnoise.tasks import TASKS
from unnoise.tasks._plan import unlearnt

TEXTS = Description(name="m", family="native", width=64, height=48, multiple=8, largest=256)
CLASSES = replace(TEXTS, prompts="classes", classes=("Cat", "Dog"))
UNGUIDED = replace(TEXTS, guidance="none")


@pytest.fixture(scope="module")
def shelf(tiny_model):
    return library({"tiny": str(tiny_model)}, device="cpu")


def results(task, shelf):
    return [event for event in task.run(shelf) if isinstance(event, Result)]


def ask(**fields):
    return Generate(**{"prompt": "a red fox", "model": "tiny", "seed": 7, "steps": 3} | fields)


def test_it_is_a_task():
    assert TASKS["generate"] is Generate


def test_defaults_are_the_model_s_own():
    model = replace(TEXTS, defaults={"steps": 9, "guidance": 3.5, "sampler": "heun", "spacing": "karras"})
    plan = Generate(prompt="x").plan(model)
    assert (plan.steps, plan.sampler, plan.spacing, plan.width, plan.height) == (9, "heun", "karras", 64, 48)
    assert plan.guidance == "classifier_free:scale=3.5" and len(plan.seeds) == 1


def test_a_size_far_from_what_was_learnt_is_told_of():
    assert not any(unlearnt(w, h, TEXTS) for w, h in ((64, 48), (48, 64), (128, 48), (32, 48)))
    (larger,), (smaller,) = unlearnt(128, 96, TEXTS), unlearnt(32, 40, TEXTS)
    assert "'m' has learnt pictures of 64x48" in larger and "128x96" in larger and "--upscale" in larger
    assert "32x40" in smaller and "--upscale" not in smaller


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"sampler": "DPM++ 2M Karras"}, {"sampler": "dpmpp_2m", "spacing": "karras"}),
        ({"sampler": "DPM++ 2M Karras", "spacing": "uniform"}, {"sampler": "dpmpp_2m", "spacing": "uniform"}),
        ({"sampler": "Euler a"}, {"sampler": "euler_ancestral", "spacing": ""}),
        ({"sampler": "HeunDiscreteScheduler"}, {"sampler": "heun:form=ratio"}),
        ({"guidance": 7}, {"guidance": "classifier_free:scale=7"}),
        ({"guidance": "7.5"}, {"guidance": "classifier_free:scale=7.5"}),
        ({"guidance": "rescaled:scale=3,factor=1"}, {"guidance": "rescaled:scale=3,factor=1"}),
        ({"seed": 5, "count": 3}, {"seeds": (5, 6, 7)}),
        ({"seed": 2**64 - 1}, {"seeds": (2**64 - 1,)}),
    ],
)
def test_words_of_the_field_are_understood(fields, expected):
    plan = Generate(prompt="x", **fields).plan(TEXTS)
    assert {name: getattr(plan, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("model", "fields", "said"),
    [
        (TEXTS, {"negative": "dog", "guidance": 1}, "no effect at guidance 1"),
        (TEXTS, {"guidance": math.nan}, "finite"),
        (TEXTS, {"guidance": math.inf}, "finite"),
        (TEXTS, {"guidance": "nope"}, "guidance"),
        (TEXTS, {"steps": 0}, "from 1"),
        (TEXTS, {"steps": 10**9}, "to 1,000"),
        (TEXTS, {"count": 0}, "count"),
        (TEXTS, {"seed": -1}, "seed"),
        (TEXTS, {"seed": 2**64}, "seed"),
        (TEXTS, {"width": 63}, "try 64"),
        (TEXTS, {"height": 264}, "out of range"),
        (TEXTS, {"prompt": "\0"}, "NUL"),
        (TEXTS, {"prompt": "\udc80"}, "surrogate"),
        (TEXTS, {"negative": "x" * 32_001}, "32,001"),
        (CLASSES, {"prompt": "fox"}, "one of Cat, Dog"),
        (UNGUIDED, {"negative": "dog"}, "no free branch"),
        (UNGUIDED, {"guidance": 3}, "no free branch"),
    ],
)
def test_what_cannot_be_honoured_is_refused(model, fields, said):
    with pytest.raises(Refused, match=said):
        Generate(**{"prompt": "x"} | fields).plan(model)


def test_classes_are_found_as_people_write_them():
    assert Generate(prompt=" cat ").plan(CLASSES).prompt == "Cat"
    assert Generate(prompt="").plan(CLASSES).prompt == ""


def test_a_model_without_guidance_runs_without():
    assert Generate(prompt="x").plan(UNGUIDED).guidance == "classifier_free:scale=1"


@given(
    st.fixed_dictionaries(
        {"prompt": st.text(max_size=20)},
        optional={
            "negative": st.text(max_size=5),
            "steps": st.integers(),
            "guidance": st.one_of(st.floats(), st.integers(), st.text(max_size=8), st.sampled_from(["rescaled", "1"])),
            "sampler": st.one_of(st.text(max_size=8), st.sampled_from([*SAMPLERS, "ddim:eta=2", "Euler a Karras"])),
            "spacing": st.one_of(st.text(max_size=8), st.sampled_from(["karras", "karras:rho=x", "listed:sigmas=1"])),
            "width": st.integers(),
            "height": st.integers(),
            "seed": st.integers(),
            "count": st.integers(),
        },
    )
)
def test_any_request_is_planned_or_refused(fields):
    try:
        plan = Generate(**fields).plan(TEXTS)
    except Refused as refused:
        assert refused.what and refused.remedy
    else:
        assert plan.width % 8 == plan.height % 8 == 0 and 1 <= plan.steps <= 1000 and plan.seeds


def test_refused_before_anything_is_loaded(tiny_model):
    class Shelf:
        exact = False

        def describe(self, name):
            return describe(str(tiny_model))

        def model(self, name):
            raise AssertionError("loaded")

    with pytest.raises(Refused):
        next(ask(steps=0).run(Shelf()))


@pytest.mark.parametrize("sampler", [*(name for name in SAMPLERS if not upward(SAMPLERS[name])), "ddim:eta=1"])
def test_picture_k_of_a_batch_is_the_picture_alone(shelf, sampler):
    together = results(ask(count=4, sampler=sampler), shelf)
    assert [r.seed for r in together] == [7, 8, 9, 10] and [r.picture for r in together] == [0, 1, 2, 3]
    for result in together:
        alone = results(ask(seed=result.seed, sampler=sampler), shelf)[0]
        assert torch.equal(alone.latent, result.latent)
        assert torch.equal(alone.pixels, result.pixels)
        assert alone.record == result.record
    assert len({r.record.pixels for r in together}) == 4


@pytest.mark.parametrize(
    "change",
    [{"prompt": "a blue whale"}, {"seed": 8}, {"steps": 4}, {"guidance": 3}, {"negative": "moon"}, {"sampler": "heun"}],
    ids=lambda c: next(iter(c)),
)
def test_every_field_matters(shelf, change):
    assert not torch.equal(results(ask(), shelf)[0].pixels, results(ask(**change), shelf)[0].pixels)


def test_guidance_1_and_guidance_without_are_the_prompt_s_own_guess(shelf):
    assert torch.equal(results(ask(guidance=1), shelf)[0].pixels, results(ask(guidance="1.0"), shelf)[0].pixels)


def test_sizes_are_honoured(shelf):
    result = results(ask(width=32, height=8), shelf)[0]
    assert result.pixels.shape == (3, 8, 32) and result.pixels.dtype == torch.uint8
    assert (result.record.width, result.record.height) == (32, 8)


def test_the_record_is_complete(shelf, tiny_model):
    result = results(ask(count=2, negative="moon", sampler="Euler a"), shelf)[1]
    record = result.record
    expected = {"prompt": "a red fox", "negative": "moon", "model": "tiny", "steps": 3, "sampler": "Euler a"}
    assert record.request == expected | {"seed": 8, "count": 1}
    assert (record.task, record.model, record.seed, record.sampler) == ("generate", "tiny", 8, "euler_ancestral")
    assert record.guidance == "classifier_free:scale=2" and (record.width, record.height) == (16, 16)
    assert record.files == describe(str(tiny_model)).files
    assert record.levels[0][2] == 1.0 and record.levels[-1][1:] == (1.0, 0.0) and len(record.levels) == 4
    assert set(record.versions) == {"unnoise", "torch"} and record.epoch >= 1
    assert (record.device, record.dtype, record.exact) == ("cpu", "float32", False)
    assert record.pixels == pixels_sha256(result.pixels)


def test_a_record_makes_the_picture_again(shelf):
    first = results(ask(count=3), shelf)[2]
    assert torch.equal(results(Generate(**first.record.request), shelf)[0].pixels, first.pixels)


def test_progress_counts_every_picture_s_steps_and_previews(shelf):
    events = list(ask(count=2).run(shelf))
    steps = [(e.picture, e.step, e.steps) for e in events if isinstance(e, Progress)]
    assert steps == [(p, s, 3) for p in range(2) for s in (1, 2, 3)]
    assert [type(e) for e in events[:4]] == [Progress, Progress, Progress, Result]
    previews = [e.preview() for e in events if isinstance(e, Progress)]
    assert {(p.shape, p.dtype) for p in previews} == {((3, 16, 16), torch.uint8)}
    assert torch.equal(previews[2], events[3].pixels)  # the last guess is the picture


def test_closing_stops(shelf):
    events = ask(count=1000, steps=2).run(shelf)
    next(events)
    events.close()
    assert list(events) == []


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40).filter(lambda t: t.isprintable()))
def test_any_prompt_is_drawn(shelf, prompt):
    assert results(ask(prompt=prompt, steps=1), shelf)[0].record.request["prompt"] == prompt
