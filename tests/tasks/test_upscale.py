"""The task `upscale`: its result, its record, and what it refuses before anything is loaded."""

import pytest
import torch

import enlarging
from unnoise.catalogue import library
from unnoise.core.error import Refused
from unnoise.core.event import Progress, Result
from unnoise.media.image import pixels_sha256
from unnoise.tasks import TASKS
from unnoise.tasks._enlarge import whole
from unnoise.tasks._request import task_of
from unnoise.tasks.generate import Generate
from unnoise.tasks.upscale import Upscale


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return enlarging.written(tmp_path_factory.mktemp("upscalers") / "tiny_x4.safetensors")


@pytest.fixture
def shelf(file, tiny_model):
    return library({"small": file, "emoji_x4": file, "tiny": tiny_model}, device="cpu")


def test_the_picture_larger_with_its_record(shelf):
    digest = shelf.register(enlarging.picture())
    task = Upscale(image=digest, scale=3, model="small")
    *progress, result = task.run(shelf)
    assert [(e.picture, e.step, e.steps, e.state) for e in progress] == [(0, 1, 1, None)]
    assert torch.equal(progress[0].preview(), result.pixels)
    assert torch.equal(result.pixels, whole(enlarging.network(), enlarging.picture(), 3))
    assert (result.picture, result.latent) == (0, None) and result.seconds > 0
    record = result.record
    assert (record.task, record.model, record.width, record.height) == ("upscale", "small", 90, 60)
    assert record.request == {"image": digest, "prompt": "", "scale": 3, "model": "small"}
    assert record.files == shelf.upscaler("small").files and len(record.files) == 1
    assert record.pixels == pixels_sha256(result.pixels)
    assert record.composite and record.altered() == () and record.seal
    assert digest == pixels_sha256(enlarging.picture())


def test_a_record_s_request_is_the_task(shelf):
    task = Upscale(image=shelf.register(enlarging.picture()), scale=2, model="small")
    (*_, result) = task.run(shelf)
    assert TASKS["upscale"] is Upscale and task_of("upscale", result.record.request) == task
    (*_, again) = task_of("upscale", result.record.request).run(shelf)
    assert torch.equal(again.pixels, result.pixels) and again.record == result.record


def test_progress_a_tile_and_an_end_whenever_one_likes(shelf):
    task = Upscale(image=shelf.register(enlarging.picture(300, 10)), model="small")
    events = task.run(shelf)
    first = next(events)
    assert isinstance(first, Progress) and (first.step, first.steps) == (1, 2)
    shown = first.preview()
    assert (shown[:, 600:] == 0).all() and (shown[:, :600] > 0).any()
    with pytest.raises(Refused, match="cannot be paused"):
        first.paused()
    events.close()
    *_, last = task.run(shelf)
    assert isinstance(last, Result) and (last.pixels[:, 600:] > 0).any()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"scale": 0}, "one of 2, 3, 4"),
        ({"scale": -4}, "one of 2, 3, 4"),
        ({"scale": 7}, "one of 2, 3, 4"),
        ({"prompt": "a fox"}, "takes no prompt: leave"),
        ({"image": "0" * 64}, "holds no picture"),
        ({"model": "nothing_x4"}, "no upscaler 'nothing_x4'"),
        ({"model": "tiny"}, "holds no upscaler"),
    ],
)
def test_what_cannot_be_honoured_is_refused(shelf, fields, said):
    known = {"image": shelf.register(enlarging.picture()), "model": "small"}
    with pytest.raises(Refused, match=said) as refused:
        list(Upscale(**known | fields).run(shelf))
    assert refused.value.field == next(iter(fields))


def test_a_result_that_is_too_large_is_refused_before_it_is_begun(shelf):
    digest = shelf.register(torch.zeros(3, 1, 10**5 * 3, dtype=torch.uint8))
    with pytest.raises(Refused, match="300000x1 are 4800000x16 pixels: at most 67,108,864"):
        next(Upscale(image=digest, scale=16, model="small").run(shelf))


def test_a_network_s_own_scale_counts(file, tmp_path):
    other = library({"two": enlarging.written(tmp_path / "two.safetensors", scale=2)}, device="cpu")
    digest = other.register(enlarging.picture())
    with pytest.raises(Refused, match="3 times as large: one of 2, 4"):
        list(Upscale(image=digest, scale=3, model="two").run(other))
    (*_, result) = Upscale(image=digest, scale=4, model="two").run(other)
    assert result.pixels.shape == (3, 80, 120)


def test_generate_chains_it(shelf):
    plain, larger = (
        [e for e in Generate(prompt="a fox", model="tiny", seed=3, count=2, **more).run(shelf) if isinstance(e, Result)]
        for more in ({}, {"upscale": 4})
    )
    for small, large in zip(plain, larger, strict=True):
        assert torch.equal(large.pixels, whole(enlarging.network(), small.pixels, 4))
        assert torch.equal(large.latent, small.latent)
        assert large.record.pixels == pixels_sha256(large.pixels)
        assert (large.record.width, large.record.height) == (16, 16)  # what the model drew, as the request has it
        assert large.record.request == {**small.record.request, "upscale": 4}
        assert large.record.files == {**small.record.files, **shelf.upscaler("emoji_x4").files}
        assert not large.record.composite


@pytest.mark.parametrize(("upscale", "said"), [(0, "one of 2, 3, 4"), (1, "one of"), (5, "one of")])
def test_generate_refuses_what_it_cannot_chain(shelf, upscale, said):
    with pytest.raises(Refused, match=said) as refused:
        next(Generate(prompt="x", model="tiny", upscale=upscale).run(shelf))
    assert refused.value.field == "upscale"
