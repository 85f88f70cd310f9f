"""`unnoise plan`: what a run will do, and nothing done."""

import json

import pytest
from PIL import Image, PngImagePlugin

from cli.conftest import files
from cli.test_rates import MEASURED
from unnoise.cli import _rates
from unnoise.cli import plan as plan_command
from unnoise.media.embed import read_record


@pytest.fixture
def plan(unnoise, tiny_model, monkeypatch):
    """`unnoise plan generate` with the tiny model, on a machine whose rates are known."""
    monkeypatch.setattr(_rates, "measure", lambda *_, **__: MEASURED)

    def run(*args):
        return unnoise("plan", "generate", *args, "--model", tiny_model)

    return run


def facts(plan, *args):
    ended = plan(*args, "--json")
    assert (ended.code, ended.err, len(ended.lines)) == (0, "", 1), ended
    return json.loads(ended.out)


def test_what_is_told(plan, folder):
    found = facts(plan, "a fox", "--steps", 3, "--sampler", "heun", "--guidance", 2, "--count", 2, "--width", 32)
    assert found["event"] == "plan" and found["model"] == "tiny"
    assert (found["sampler"], found["guidance"], found["steps"]) == ("heun", "classifier_free:scale=2", 3)
    assert (found["pictures"], found["width"], found["height"]) == (2, 32, 16)
    assert (found["calls"], found["evaluations"], found["counted"]) == (10, 20, "exactly")
    assert found["flops"] > 0 and found["seconds"] > 0 and found["peak_bytes"] > 2**27
    assert [level[0] for level in found["levels"]] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert files(folder) == []


def test_the_levels_are_those_that_the_run_visits(plan, unnoise, tiny_model):
    words = ("x", "--seed", 1, "--steps", 4, "--spacing", "karras")
    levels = facts(plan, *words)["levels"]
    unnoise("generate", *words, "--model", tiny_model, "--out", "x.png")
    assert [list(level) for level in read_record("x.png").levels] == levels


def test_time_follows_the_calls(plan):
    one, two = (facts(plan, "x", "--steps", 4, "--count", n)["seconds"] for n in (1, 2))
    assert two == pytest.approx(2 * one, abs=2e-3)
    slow, fast = (facts(plan, "x", "--steps", 4, "--guidance", g)["seconds"] for g in (2, 1))
    assert slow > fast


def test_people_read_it(plan):
    said = plan("a fox", "--steps", 3, "--count", 2).out
    for part in ("tiny", "2 of 16x16", "euler", "6 of the network, 12 samples", "GFLOP", "MiB", "s each", "levels"):
        assert part in said
    assert said.count("\n") > 10


def test_a_sampler_that_decides_is_an_estimate(plan):
    found = facts(plan, "x", "--sampler", "dpm_adaptive")
    assert found["steps"] is None and found["counted"].startswith("about")
    assert "about" in plan("x", "--sampler", "dpm_adaptive").out


def test_a_heavy_model_is_not_measured_unless_asked(unnoise, tiny_model, monkeypatch):
    seen = []
    monkeypatch.setattr(_rates, "measure", lambda *_, **__: seen.append(1) or MEASURED)
    monkeypatch.setattr(plan_command, "HEAVY", 1000)
    words = ("plan", "generate", "x", "--steps", 2, "--model", tiny_model)
    found = json.loads(unnoise(*words, "--json").out)
    assert not seen and found["seconds"] >= 0 and (found["measured"], found["start_seconds"]) == (None, None)
    assert "--measure runs the model" in unnoise(*words).out
    assert json.loads(unnoise(*words, "--measure", "--json").out)["measured"] and seen


def test_memory_grows_with_the_picture_and_weights_are_told(plan):
    small, large = (facts(plan, "x", "--width", side)["memory"] for side in (16, 32))
    assert small["weights"] == large["weights"] >= 0
    assert large["step"] > small["step"] > 0


def test_refusals(plan, unnoise):
    assert "steps 0 is out of range" in plan("x", "--steps", 0).refusal()
    assert "there is no sampler" in plan("x", "--sampler", "oiler").refusal()
    assert "PROMPT" in plan().refusal()
    assert "no plan for 'train'" in unnoise("plan", "train").refusal()


def test_help(unnoise):
    for words in ((), ("--help",), ("generate", "--help")):
        ended = unnoise("plan", *words)
        assert ended.code == 0 and "--measure" in ended.out


def test_a_machine_is_measured(unnoise, tiny_model, folder):
    found = json.loads(unnoise("plan", "generate", "x", "--model", tiny_model, "--json").out)
    assert 0 < found["seconds"] < 60 and 0 < found["start_seconds"] < 120
    assert 50 * 2**20 < found["peak_bytes"] < 4 * 2**30
    assert (folder.parent / "home" / "cache" / "rates.json").exists()
    assert files(folder) == []


def test_what_a_picture_s_settings_lose_is_told(plan, folder):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", "a castle\nSteps: 3, Sampler: Euler, CFG scale: 5, Seed: 11, Clip skip: 2")
    Image.new("RGB", (8, 8)).save("other.png", pnginfo=chunks)
    assert "not taken over: Clip skip '2'" in plan("--like", "other.png").err
    assert plan("--like", "other.png", "--quiet").err == ""
    events = [json.loads(line) for line in plan("--like", "other.png", "--json").lines]
    assert [e["event"] for e in events] == ["note", "note", "plan"]


def test_int8_weights_take_less(plan):
    pytest.importorskip("torchao")
    plain, whole = (facts(plan, "x", "--dtype", dtype) for dtype in ("bfloat16", "int8"))
    assert whole["dtype"] == "int8" and whole["memory"]["weights"] < plain["memory"]["weights"]
    assert whole["flops"] == plain["flops"] and whole["calls"] == plain["calls"]
