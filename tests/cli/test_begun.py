"""The options that a run was begun with."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from unnoise.cli._begun import FREE, agree, as_begun, flagged, freed, told
from unnoise.cli._parse import parse
from unnoise.core.error import Refused
from unnoise.recipes import RECIPES
from unnoise.train.snapshot import Snapshot


def snapshot(facts) -> Snapshot:
    return Snapshot(Path("run/snapshots/step-00000003"), 3, facts)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_comes_back_as_it_was_told(name) -> None:
    kind = RECIPES[name]
    paths = [f.name for f in fields(kind) if f.name in ("data", "latents")]
    recipe = replace(kind(steps=7, seed=3), **dict.fromkeys(paths, Path("/some/where")))
    made = as_begun(kind, snapshot(told(name, recipe)))()
    assert [getattr(made, f.name) for f in fields(made)] == [getattr(recipe, f.name) for f in fields(kind)]
    assert isinstance(made, kind) and type(made).__name__ == kind.__name__
    agree(snapshot(told(name, recipe)), told(name, made))


@dataclass(frozen=True, kw_only=True)
class Small:
    steps: int = 4
    latents: Path | None = None
    names: tuple[str, ...] = ("a",)


def test_options_that_a_run_does_not_tell_keep_their_defaults() -> None:
    made = as_begun(Small, snapshot({"names": '["b"]', "steps": "damaged", "more": "1"}))()
    assert (made.steps, made.names) == (4, ("b",))


@dataclass(frozen=True, kw_only=True)
class Flagged:
    """Args:
    extra, compiled: whether.
    """

    extra: bool = False
    compiled: bool = False


@pytest.mark.parametrize("args", [[], ["--extra"], ["--extra", "--compiled"]])
def test_a_flag_may_be_given_again_or_not(args) -> None:
    begun = snapshot(told("flagged", Flagged(extra=True, compiled=True)))
    made = flagged(parse(as_begun(Flagged, begun), args, "unnoise train flagged"), begun)
    assert made.extra and made.compiled == ("--compiled" in args)  # what is free is as it is asked for now
    assert not flagged(Flagged(), snapshot({})).extra


def test_folders_are_told_from_the_root(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    assert told("small", Small(latents=Path("here")))["latents"] == f'"{tmp_path}/here"'


def test_an_option_that_came_later_had_its_default() -> None:
    begun = snapshot({k: v for k, v in told("small", Small()).items() if k != "names"})
    agree(begun, told("small", Small()), freed(begun, Small()))
    with pytest.raises(Refused, match="names"):
        agree(begun, told("small", Small(names=("b",))), freed(begun, Small(names=("b",))))


def test_a_model_that_a_run_went_on_from_may_lie_elsewhere_now(monkeypatch, tmp_path) -> None:
    kind = RECIPES["emoji"]
    monkeypatch.chdir(tmp_path)
    begun = snapshot(told("emoji", kind(start="a/model.safetensors")))
    assert as_begun(kind, begun)().start == str(tmp_path / "a/model.safetensors")
    agree(begun, told("emoji", kind(start="b/model.safetensors")))
    assert as_begun(kind, snapshot(told("emoji", kind(start="emoji"))))().start == "emoji"  # a name is none of a file


def test_what_a_weight_turns_on_must_be_the_same() -> None:
    begun = snapshot(told("small", Small()))
    agree(begun, told("small", Small(steps=9, latents=Path("elsewhere"))))
    with pytest.raises(Refused, match="names"):
        agree(begun, told("small", Small(names=("a", "b"))))
    assert "latents" in FREE
