"""What is told of an evaluation: every figure there is, of what it truly is, and why there is none."""

import json
from pathlib import Path

import pytest

from cli.conftest import files
from evaluate.sets import noise, pictures
from unnoise.cli import _figures
from unnoise.cli._case import Gathered
from unnoise.cli._figures import keep, measured
from unnoise.cli.evaluate import Asked
from unnoise.core.error import Refused
from unnoise.evaluate.bootstrap import Estimate
from unnoise.evaluate.case import Case, Figure
from unnoise.evaluate.draw import draw
from unnoise.evaluate.features import opened

TRAIN = pictures(noise(20))
ALONE = Gathered(Case(train=TRAIN))


def figure(measure="duplicates", value=1.0, **changes):
    return Figure(measure, f"title of {measure}", "pixels", Estimate(value, count=3), **changes)


def beside(same):
    case = Case(
        train=TRAIN, drawn=draw(TRAIN, None, 4), same=same, made=noise(4, 7), features=(opened("pixels:size=2"),)
    )
    return Gathered(
        case, tuple(Path(f"{k}.png") for k in range(4)), () if same else ("drawn by the seed, all of them",)
    )


def asked(**changes):
    return Asked(data="set", rounds=4, **changes)


def some(*found, fault=None):
    yield from found
    if fault:
        raise fault


def kept(folder):
    return [f["title"] for f in json.loads((folder / "figures.json").read_text())["figures"]]


@pytest.mark.parametrize("as_json", [False, True])
def test_figures_before_a_refused_one_are_told_and_kept(tmp_path, capsys, as_json):
    with pytest.raises(Refused, match="cannot"):
        keep(asked(json=as_json), tmp_path, ALONE, some(figure(), fault=Refused("it cannot", "try", "measures")))
    assert kept(tmp_path) == ["title of duplicates"]
    assert "title of duplicates" in capsys.readouterr().out
    assert "title of duplicates" in (tmp_path / "evaluation.html").read_text()


def test_figures_before_an_interrupt_are_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        keep(asked(), tmp_path, ALONE, some(figure(), fault=KeyboardInterrupt()))
    assert kept(tmp_path) == ["title of duplicates"]


def test_a_refusal_before_any_figure_leaves_nothing(tmp_path, capsys):
    with pytest.raises(Refused):
        keep(asked(), tmp_path / "out", ALONE, some(fault=Refused("no", "try", "measures")))
    assert files(tmp_path) == [] and capsys.readouterr().out == ""


@pytest.mark.parametrize("same", [True, False])
def test_the_real_pictures_are_called_what_they_are(tmp_path, capsys, same):
    made = beside(same)
    given = asked(pictures="mine", measures=("frechet",))
    (_,) = found = list(measured(given, made.case))
    keep(given, tmp_path, made, iter(found))
    page, out = (tmp_path / "evaluation.html").read_text(), capsys.readouterr().out
    says = {"real pictures of the same prompts": same, "real pictures drawn by the seed": not same}
    for text, is_said in says.items():
        assert (text in page) == (text in out) == is_said
    assert ("(train)</th>" in page) == same
    assert all((text in page) != same for text in ("drawn by the seed, all of them", "real picture, drawn by the seed"))
    assert json.loads((tmp_path / "figures.json").read_text())["figures"][0]["against"] == made.case.against


def test_a_measure_says_what_its_own_figure_stands_beside(monkeypatch):
    monkeypatch.setattr(_figures, "chosen", lambda *_: [lambda _: some(figure(against="an oracle"))])
    (found,) = measured(asked(), beside(False).case)
    assert found.against == "an oracle"


def test_a_measure_without_a_figure_says_why(monkeypatch, capsys):
    monkeypatch.setattr(_figures, "chosen", lambda *_: [lambda _: some(), lambda _: some(figure())])
    with pytest.raises(Refused, match="finds nothing to tell"):
        list(measured(asked(measures=("retrieval",)), ALONE.case))
    assert len(list(measured(asked(), ALONE.case))) == 1
    assert "left out" in (err := capsys.readouterr().err) and "finds nothing to tell" in err


def test_nothing_in_a_file_s_name_moves_the_cursor(tmp_path, capsys):
    keep(asked(), tmp_path, ALONE, some(figure(note="a\x1b[2Jb\rc\n.png = d.png")))
    out = capsys.readouterr().out
    assert "\\x1b[2Jb\\rc\\n.png = d.png" in out and "\x1b" not in out and "\r" not in out
