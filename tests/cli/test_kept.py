"""A folder's figures: none goes without a word, and none stands among those of other pictures."""

import json
from dataclasses import replace

import pytest

from cli.conftest import files
from evaluate.sets import noise, pictures
from unnoise.cli._case import Gathered
from unnoise.cli._figures import keep
from unnoise.cli._kept import kept
from unnoise.cli.evaluate import Asked
from unnoise.evaluate.bootstrap import Estimate
from unnoise.evaluate.case import Case, Figure

CASE = Case(train=pictures(noise(12)), heldout=pictures(noise(3, 1)))


def figure(measure, value=1.0):
    low = Estimate(0.5, 0.25, 0.75, 9)
    return Figure(
        measure, f"title of {measure}", "pixels", Estimate(value, count=3), low, "x", "lower", "n", {"a": [1]}
    )


def ran(folder, *measures, case=CASE, value=1.0, **changes):
    given = Asked(data="set", measures=measures, **changes)
    return keep(given, folder, Gathered(case), (figure(name.partition(":")[0], value) for name in measures))


def told(folder, name="figures.json"):
    said = json.loads((folder / name).read_text())
    return said["asked"]["measures"], {f["measure"]: f["value"] for f in said["figures"]}


def test_figures_of_other_measures_stay(tmp_path, capsys):
    ran(tmp_path, "frechet")
    capsys.readouterr()
    ran(tmp_path, "kernel", value=2.0)
    said = capsys.readouterr()
    assert "title of kernel" in said.out and "frechet" not in said.out and said.err == ""
    assert told(tmp_path) == (["frechet", "kernel"], {"frechet": 1, "kernel": 2})
    assert all(f"title of {name}" in (tmp_path / "evaluation.html").read_text() for name in ("frechet", "kernel"))
    ran(tmp_path, "frechet", value=3.0)
    assert told(tmp_path) == (["kernel", "frechet"], {"kernel": 2, "frechet": 3})
    assert files(tmp_path) == ["evaluation.html", "figures.json"]


def test_figures_are_read_as_they_were_written(tmp_path):
    ran(tmp_path, "frechet")
    held, note = kept(Asked(data="set"), tmp_path, CASE, ["kernel"])
    assert held.before == [figure("frechet")] and note == ""


def test_earlier_figures_stay_until_their_measure_has_new_ones(tmp_path):
    ran(tmp_path, "frechet", "kernel")

    def stopped():
        yield figure("frechet", 2.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep(Asked(data="set", measures=("frechet", "kernel")), tmp_path, Gathered(CASE), stopped())
    assert told(tmp_path)[1] == {"kernel": 1, "frechet": 2}


OTHER = replace(CASE, heldout=pictures(noise(3, 2)))


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"case": OTHER}, {"measures": ("frechet:x=1",)}],
    ids=["settings", "pictures", "options"],
)
def test_figures_asked_for_otherwise_are_put_aside(tmp_path, capsys, other):
    given = {"measures": ("kernel",), **other}
    ran(tmp_path, "frechet")
    ran(tmp_path, *given.pop("measures"), value=2.0, **given)
    assert "they are in figures-1.json now" in capsys.readouterr().err
    assert told(tmp_path, "figures-1.json") == (["frechet"], {"frechet": 1})
    assert list(told(tmp_path)[1].values()) == [2]
    ran(tmp_path, "frechet")
    assert told(tmp_path, "figures-2.json")[1] != told(tmp_path)[1] == {"frechet": 1}


@pytest.mark.parametrize("text", ["[]", "{not json", '{"asked": {}, "figures": [{}]}', '{"figures": 3}'])
def test_a_file_of_something_else_is_put_aside(tmp_path, text):
    (tmp_path / "figures.json").write_text(text)
    ran(tmp_path, "frechet")
    assert (tmp_path / "figures-1.json").read_text() == text and told(tmp_path)[1] == {"frechet": 1}
