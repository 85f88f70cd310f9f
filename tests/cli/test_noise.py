"""`unnoise noise`: a picture taken apart along a schedule."""

import json

import pytest
import torch
from PIL import Image

from cli.conftest import files
from unnoise.cli._parse import field_help
from unnoise.cli.noise import Asked, _frame
from unnoise.core.level import Level
from unnoise.core.schedule import SCHEDULES


@pytest.fixture
def picture(folder):
    Image.linear_gradient("L").convert("RGB").save(folder / "p.png")
    return "p.png"


def test_a_gif_is_made(unnoise, folder, picture):
    ended = unnoise("noise", picture, "--steps", 5, "--size", 32)
    assert (ended.code, ended.out, ended.err) == (0, "out/p-noise.gif\n", "")
    with Image.open("out/p-noise.gif") as gif:
        assert gif.n_frames == 6 and gif.size == (32, 32)
    event = json.loads(unnoise("noise", picture, "--steps", 5, "--out", "x.gif", "--json").out)
    assert event == {"event": "result", "path": "x.gif", "seed": 0, "frames": 6}


@pytest.mark.parametrize("schedule", [*SCHEDULES, "betas:curve=linear,start=0.0001,end=0.02"])
def test_every_schedule(unnoise, picture, schedule):
    assert unnoise("noise", picture, "--schedule", schedule, "--steps", 3, "--size", 16, "--out", "x.gif").code == 0


def test_the_help_names_every_schedule():
    said = field_help(Asked)["schedule"]
    assert all(name in said for name in SCHEDULES)


def test_a_frame_is_alpha_data_plus_sigma_noise():
    data, noise = torch.full((3, 2, 2), 0.5), torch.full((3, 2, 2), -1.0)
    numbers = (torch.tensor(v, dtype=torch.float64) for v in (0.25, 0.75, 0.25))
    value = (0.75 * 0.5 - 0.25 + 1) * 127.5
    assert torch.equal(_frame(data, noise, Level(*numbers)), torch.full((3, 2, 2), round(value), dtype=torch.uint8))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--schedule", "rectifed"], "one of rectified"),
        (["--schedule", "betas:rowz=3"], "rowz"),
        (["--schedule", "betas:rows=1"], "at least 2 rows"),
        (["--spacing", "nope"], "karras"),
        (["--steps", "0"], "from 1 to 200"),
        (["--steps", "1000000"], "from 1 to 200"),
        (["--size", "0"], "from 1 to 2048"),
        (["--seed", "-1"], "seed"),
        (["--out", "x.png"], ".gif"),
        (["--out", "p.png/x.gif"], "cannot write into"),
    ],
)
def test_what_cannot_be_is_refused(unnoise, folder, picture, args, said):
    assert said in unnoise("noise", picture, *args).refusal()
    assert files(folder) == ["p.png"]


def test_a_file_that_is_no_picture_is_refused(unnoise, folder):
    (folder / "p.png").write_text("text")
    assert "is not a picture" in unnoise("noise", "p.png").refusal()
    assert "cannot read" in unnoise("noise", "q.png").refusal()
    assert files(folder) == ["p.png"]
