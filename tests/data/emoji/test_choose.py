"""What becomes a picture, and why the rest does not."""

import json
from pathlib import Path

import pytest

from unnoise.core.error import Refused
from unnoise.data.emoji import names
from unnoise.data.emoji.choose import choose, plainness
from unnoise.data.emoji.points import read

KNOWN = names.shipped()
RED = (200, 0, 0)


def test_everything_left_out_is_counted(noto) -> None:
    folder = noto(u1f34e=RED, u1f44b=RED, u1f44b_1f3fb=RED, u1f3fb=RED, u1f9b0=RED, ufe4e5=RED, u1f595=RED, none=RED)
    chosen = choose({"noto": folder}, (), KNOWN)
    assert [one.name for one in chosen.picked] == ["noto_1f34e", "noto_1f44b"]
    assert chosen.left_out == {"noto": {"skin tone": 1, "component": 2, "no name": 1, "middle finger": 1}}
    assert chosen.picked[0].named.name == "red apple"


def test_fluent_says_more_of_its_own(fluent) -> None:
    folder = fluent(apple="1f34e", pear="1fffd|Food & Drink", again="1f34e", odd="1fffe")
    chosen = choose({"fluent": folder}, ["fluent-3d"], KNOWN)
    one, other = (picked.named for picked in chosen.picked)
    assert (one.name, one.keywords[:3]) == ("red apple", ("mine", "apple", "diet"))  # its keywords before the others
    assert (other.name, other.group, other.keywords) == ("pear", "Food & Drink", ("mine",))  # unknown elsewhere
    assert chosen.left_out == {"fluent-3d": {"the same emoji again": 1, "component": 1}}


def test_the_ready_set_s_keywords_of_fluent_come_out(shared: Path, ready) -> None:
    """Fluent's own words first, then the others, as far as eight go: the words of one style are those of all three."""
    theirs = {r.tags["name"]: r.tags["keywords"] for r in ready if r.tags["style"].startswith("fluent")}
    chosen = choose({"fluent": shared / "fixtures" / "upstream" / "fluentui-emoji"}, (), KNOWN)
    assert len(chosen.picked) == 13
    known = {one.named.name: one.named.keywords for one in chosen.picked}
    both = known.keys() & theirs.keys()
    assert both == {"pizza", "waving hand"}
    assert [name for name in both if ", ".join(known[name]) != theirs[name]] == []


def test_styles_that_are_not_there_are_refused(noto, fluent) -> None:
    clones = {"noto": noto(u1f34e=RED), "fluent": fluent(apple="1f34e")}
    assert {one.art.style.name for one in choose(clones, (), KNOWN).picked} == {"noto", "fluent-3d"}
    assert {one.art.style.name for one in choose(clones, ["noto"], KNOWN).picked} == {"noto"}
    with pytest.raises(Refused, match=r"style 'twemoji'.*noto, fluent-3d"):
        choose(clones, ["twemoji"], KNOWN)
    with pytest.raises(Refused, match="no picture is left"):
        choose(clones, ["fluent-flat"], KNOWN)


def test_of_what_looks_the_same_the_plain_name_is_kept(shared: Path) -> None:
    manifest = json.loads((shared / "data" / "emoji128" / "manifest.json").read_text())
    codes = {one.name: code for code, one in KNOWN.items()}
    groups = manifest["merged_exact_duplicates"]
    assert len(groups) > 15
    for group in groups:
        kept = min((codes[name] for name in [*group["merged"], group["kept"]]), key=plainness)
        assert KNOWN[kept].name == group["kept"]


def test_a_country_comes_before_a_place_that_flies_its_flag() -> None:
    cp, fr = read("1f1e8-1f1f5"), read("1f1eb-1f1f7")
    assert sorted([cp, fr], key=plainness) == [fr, cp]
