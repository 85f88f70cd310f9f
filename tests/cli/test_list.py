"""`unnoise list`: every name there is, with a line about it, and no torch."""

import json

import pytest

from unnoise.samplers import SAMPLERS

WHAT = ["models", "samplers", "spacings", "guidances", "tasks", "recipes", "measures", "features"]


@pytest.mark.parametrize("what", WHAT)
def test_every_kind_is_listed(unnoise, what):
    ended = unnoise("list", what)
    assert (ended.code, ended.err) == (0, "") and ended.lines
    rows = [json.loads(line) for line in unnoise("list", what, "--json").lines]
    for row in rows:
        assert set(row) == {"name", "summary", "aliases", "options"}
        assert any(line.startswith(row["name"] + " ") and row["summary"] in line for line in ended.lines)


def test_samplers_with_their_options_and_other_names(unnoise):
    rows = {row["name"]: row for row in map(json.loads, unnoise("list", "samplers", "--json").lines)}
    assert list(rows) == list(SAMPLERS)
    assert rows["ddim"]["options"] == ["eta=0.0"] and "Euler a" in rows["euler_ancestral"]["aliases"]
    for row in rows.values():
        for spec in (row["name"], *row["aliases"]):
            SAMPLERS.make(spec)
        assert SAMPLERS.make(f"{row['name']}:{','.join(row['options'])}") == SAMPLERS.make(row["name"])


def test_models_are_those_that_can_be_named(unnoise, folder, tiny_model):
    models = folder.parent / "home" / "models"
    models.mkdir(parents=True)
    (models / "mine.safetensors").write_bytes(tiny_model.read_bytes())
    (models / "broken.safetensors").write_bytes(b"x")
    said = unnoise("list", "models").out
    assert "mine" in said and "random weights, 16x16" in said
    assert "cannot be used" in next(line for line in said.splitlines() if line.startswith("broken"))


@pytest.mark.parametrize("args", [[], ["sampler"], ["samplers", "euler"], ["--all"], ["", ""]])
def test_what_cannot_be_listed_is_refused(unnoise, args):
    unnoise("list", *args).refusal()


def test_listing_loads_no_torch(process):
    loaded = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))"
    for what in ("samplers", "models", "recipes", "measures", "features"):
        assert process("list", what, before=loaded).err == "False\n"
