"""`unnoise train`: recipes as options, a training's events as lines, and a clean stop."""

import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from cli.conftest import environment, files
from unnoise.cli._parse import field_help
from unnoise.recipes import RECIPES
from unnoise.train import event as kinds
from unnoise.train.fit import begun
from unnoise.train.loop import Report
from unnoise.train.objective import Loss
from unnoise.train.snapshot import save

train = import_module("unnoise.cli.train")


@dataclass(frozen=True)
class Ran:
    steps: int = 4
    ema: float | None = None


RUN = Ran()
ASKED: list["Tiny"] = []
FACTS = {"recipe": "tiny", "steps": "12", "names": '["x", "y"]', "data": "null"}


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """Nothing at all.

    Args:
        steps: How many.
        names: Of things.
        data: Where.
    """

    steps: int = 4
    names: tuple[str, ...] = ("a",)
    data: Path | None = None

    def run(self, device):
        assert device == "cpu"
        ASKED.append(self)
        return RUN


@pytest.fixture
def fit(monkeypatch):
    """Put events into the place of a training; gives what it was called with."""
    called = {}

    def put(*events):
        def fake(run, out, *, stop, **asked):
            called.update(recipe=ASKED[-1], run=run, out=out, stop=stop, **asked)
            for event in events:
                yield event() if callable(event) else event
                if stop():
                    break
            if any(isinstance(event, Report) for event in events):
                yield kinds.Saved(2, out / "snapshots" / "step-00000002", out / "model.safetensors")

        monkeypatch.setattr(import_module("unnoise.train.fit"), "fit", fake)
        monkeypatch.setattr(import_module("unnoise.train.fit"), "begun", lambda *_: None)
        monkeypatch.setattr(train, "RECIPES", {"tiny": Tiny})
        return called

    return put


def report(step):
    return Report(step, (Loss("model", torch.tensor(0.5), {}),), {})


EVENTS = (
    kinds.Preflight(Path("run/first_batch.png"), (1.0, 0.5), 1234, 5_600_000, ("a.png: cut",)),
    report(1),
    kinds.Logged(1, 0.5, 1.0, 1e-3, 123.4, 2.0, 6.0),
    kinds.Heldout(1, 0.25),
    kinds.Previewed(1, Path("run/previews/1.png")),
    report(2),
)


def test_events_are_told_as_lines(unnoise, fit):
    called = fit(*EVENTS)
    ended = unnoise("train", "tiny", "--names", "b", "c", "--steps", 9, "--out", "run", "--data", "here")
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines == [
        "1,234 pictures, 1 left out as broken, 5.6 M parameters; the first batch is drawn in run/first_batch.png",
        "step 1/4: loss 0.5000, 123 pictures/s, 0:06 left",
        "step 1: held-out loss 0.2500",
        "step 1: preview in run/previews/1.png",
        "step 2: snapshot in run/snapshots/step-00000002, model in run/model.safetensors",
    ]
    assert (called["run"], called["out"], called["resume"]) == (RUN, Path("run"), False)
    here = json.dumps(str(Path("here").absolute()))
    assert called["facts"] == {"recipe": "tiny", "steps": "9", "names": '["b", "c"]', "data": here}
    assert "data" in called["free"] and "names" not in called["free"]


def test_events_are_told_as_json(unnoise, fit):
    fit(*EVENTS)
    events = [json.loads(line) for line in unnoise("train", "tiny", "--resume", "--json").lines]
    assert [e["event"] for e in events] == ["preflight", "progress", "heldout", "preview", "snapshot"]
    assert events[1] == {
        "event": "progress",
        "step": 1,
        "steps": 4,
        "loss": 0.5,
        "norm": 1.0,
        "rate": 1e-3,
        "speed": 123.4,
        "seconds": 2.0,
        "left": 6.0,
    }
    assert events[-1]["model"] == "runs/tiny/model.safetensors"


def test_quiet_leaves_the_model(unnoise, fit):
    called = fit(*EVENTS)
    assert unnoise("train", "tiny", "--quiet", "--resume").out == "runs/tiny/model.safetensors\n"
    assert called["resume"] is True and called["run"].ema is None
    assert unnoise("train", "tiny", "--quiet", "--resume", "--ema", "0.07").code == 0
    assert called["run"].ema == 0.07
    assert "with --resume" in unnoise("train", "tiny", "--ema", "0.07").refusal()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_after_the_step_and_says_so(unnoise, fit, number):
    def interrupted():
        os.kill(os.getpid(), number)
        return report(2)

    fit(report(1), interrupted, report(3))
    ended = unnoise("train", "tiny", "--quiet")
    assert ended.code == 130 and ended.out == "runs/tiny/model.safetensors\n"
    assert ended.err == "unnoise: interrupted: stopped at step 2 of 4; --resume goes on\n"


def test_minutes_become_steps_and_one_that_goes_on_keeps_its_own(unnoise, fit, folder, monkeypatch):
    called = fit(*EVENTS)
    paced = import_module("unnoise.train.pace")
    monkeypatch.setattr(paced, "paced", lambda _, minutes: SimpleNamespace(steps=round(10 * minutes)))
    assert unnoise("train", "tiny", "--minutes", "1.5").code == 0
    assert called["run"].steps == 15
    save(folder / "runs/tiny/snapshots", 3, {}, FACTS)
    monkeypatch.setattr(import_module("unnoise.train.fit"), "begun", begun)
    assert unnoise("train", "tiny", "--minutes", "1.5", "--resume").code == 0
    assert (called["run"], called["facts"]["steps"]) == (RUN, "12")


def test_a_run_goes_on_with_the_options_it_was_begun_with(unnoise, fit, folder, monkeypatch):
    called = fit(*EVENTS)
    save(folder / "runs/tiny/snapshots", 3, {}, {**FACTS, "data": '"/old/data"'})
    monkeypatch.setattr(import_module("unnoise.train.fit"), "begun", begun)
    assert unnoise("train", "tiny", "--resume").code == 0
    assert called["facts"] == {**FACTS, "data": '"/old/data"'} and called["recipe"].data == Path("/old/data")
    assert unnoise("train", "tiny", "--resume", "--steps", 20, "--data", "moved").code == 0
    moved = str(Path("moved").absolute())
    assert called["facts"] == {**FACTS, "steps": "20", "data": json.dumps(moved)}
    assert called["recipe"].names == ("x", "y")


def test_a_signal_before_the_first_step_promises_no_resume(unnoise, fit):
    def interrupted():
        os.kill(os.getpid(), signal.SIGINT)
        return EVENTS[0]

    fit(interrupted)
    ended = unnoise("train", "tiny", "--quiet")
    assert ended.code == 130 and ended.err == "unnoise: interrupted: stopped before the first step\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "no recipe"),
        (["--steps", "3"], "comes first"),
        (["emojy"], "did you mean 'emoji'?"),
        (["emoji"], "--data DIR"),
        (["emoji", "--data", "nowhere"], "nowhere"),
        (["emoji", "--stepz", "3"], "did you mean --steps?"),
        (["emoji", "--rate", "nan"], "finite number"),
        (["emoji", "extra"], "one word too many"),
        (["emoji", "--data", ".", "--steps", "0"], "steps"),
        (["emoji", "--data", ".", "--out", "file/run"], "cannot write into"),
        (["emoji", "--data", ".", "--device", "tpu"], "cpu"),
    ],
)
def test_what_cannot_be_is_refused(unnoise, folder, args, said):
    (folder / "file").touch()
    assert said in unnoise("train", *args).refusal()
    assert files(folder) == ["file"] and len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_says_what_it_takes(unnoise, recipe):
    assert recipe in unnoise("train", "--help").out
    ended = unnoise("train", recipe, "--help")
    assert ended.code == 0 and "--resume" in ended.out
    assert set(RECIPES[recipe].__dataclass_fields__) <= set(field_help(RECIPES[recipe]))


def test_help_loads_no_torch(process):
    loaded = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))"
    for args in (["--help"], ["emoji", "--help"]):
        assert process("train", *args, before=loaded).err.endswith("False\n")


@pytest.fixture
def pictures(folder):
    """Twelve pictures of two kinds, with captions."""
    place = folder / "pictures"
    place.mkdir()
    for i in range(12):
        name, colour = (("red", (200, 10 * i, 0)), ("blue", (0, 10 * i, 200)))[i % 2]
        Image.new("RGB", (16, 16), colour).save(place / f"{i}.png")
        (place / f"{i}.txt").write_text(f"a {name} square")
    return place


SMALL = ["--size", "16", "--width", "64", "--depth", "1", "--batch", "4", "--previews", "red"]


@pytest.mark.slow
def test_a_recipe_trains_stops_at_a_signal_and_goes_on(folder, pictures):
    command = [sys.executable, "-m", "unnoise", "train", "emoji_pixels", "--data", str(pictures), *SMALL]
    command += ["--out", "run", "--steps", "60"]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, env=environment()) as running:
        for line in running.stdout:
            if json.loads(line)["event"] == "progress":
                break
        running.send_signal(signal.SIGTERM)
        events = [json.loads(line) for line in running.communicate(timeout=300)[0].splitlines()]
    assert running.returncode == 130
    assert 20 <= events[-1]["step"] < 60
    assert events[-1]["event"] == "snapshot" and Path(events[-1]["model"]).is_file()
    done = subprocess.run([*command, "--resume", "--quiet"], capture_output=True, env=environment(), text=True)
    assert (done.returncode, done.stdout) == (0, "run/model.safetensors\n"), done.stderr
    drawn = [sys.executable, "-m", "unnoise", "generate", "a red square", "--model", "run/model.safetensors"]
    assert subprocess.run([*drawn, "--steps", "2", "--out", "x.png"], env=environment()).returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "run holds a run of 3 steps already: resume it, or name another folder"),
        (("--resume", "--names", "b"), 'names ["a"], this one ["b"]: go on with ["a"], or name another folder'),
        (("--resume", "--steps", 2), "steps 4, this one 2: it has taken 3; give no fewer"),
    ],
)
def test_another_run_is_refused_before_anything_is_read(unnoise, folder, monkeypatch, options, said):
    save(folder / "run" / "snapshots", 3, {}, {"recipe": "tiny", "names": '["a"]', "steps": "4", "data": "null"})
    monkeypatch.setattr(train, "RECIPES", {"tiny": Tiny, "other": Tiny})
    monkeypatch.setattr(Tiny, "run", lambda *_: pytest.fail("it was read"))
    ended = unnoise("train", "tiny", "--out", "run", *options)
    assert ended.code == 2 and said in ended.err
    said = "run has recipe tiny, this one other: go on with tiny, or name another folder"
    assert said in unnoise("train", "other", "--out", "run", "--resume").refusal()


def test_long_preparations_are_told_now_and_then(capsys) -> None:
    log = logging.getLogger("unnoise.data.latents")
    with train._told(train.Running(json=True)):
        for done in (1, 2, 3):
            log.info("encoding pictures: %d of %d", done, 3)
        log.info("waiting for another")
    log.info("nobody listens")
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said == [{"event": "note", "text": text} for text in ("encoding pictures: 1 of 3", "waiting for another")]
