"""What the set says of itself."""

from pathlib import Path

import pytest

from unnoise.data.emoji import manifest, names
from unnoise.data.emoji.choose import choose

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("how", ["loose", "packed", "detached"])
def test_the_commit_of_a_clone_is_told(tmp_path: Path, how: str) -> None:
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text(f"{COMMIT}\n" if how == "detached" else "ref: refs/heads/main\n")
    if how == "loose":
        (git / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    (git / "packed-refs").write_text(f"# pack-refs\n{'f' * 40} refs/heads/other\n{COMMIT} refs/heads/main\n")
    assert manifest.commit(tmp_path) == COMMIT


def test_a_copy_without_its_history_has_none(tmp_path: Path) -> None:
    assert manifest.commit(tmp_path) == ""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert manifest.commit(tmp_path) == ""


def test_styles_and_groups_are_counted(noto, fluent) -> None:
    clones = {"noto": noto(u1f34e=(1, 1, 1), u1f680=(2, 2, 2)), "fluent": fluent(apple="1f34e")}
    apple3d, apple, rocket = choose(clones, (), names.shipped()).picked
    told = manifest.pictures([apple3d, apple], [rocket])
    assert list(told["styles"]) == ["fluent-3d", "noto"]
    assert told["styles"]["noto"] == {
        "family": "Noto Emoji",
        "style_text": "noto emoji, shaded vector art",
        "licence": "Apache-2.0",
        "attribution": "Noto Emoji, Copyright 2013 Google, Inc.",
        "upstream": "https://github.com/googlefonts/noto-emoji",
        "commit": "",
        "train": 1,
        "heldout": 1,
    }
    assert told["groups"] == {"Food & Drink": 2, "Travel & Places": 1}


def test_licences_go_along(noto, fluent) -> None:
    clones = {"noto": noto(u1f34e=(1, 1, 1)), "fluent": fluent(apple="1f34e")}
    (clones["noto"] / "svg").mkdir()
    (clones["noto"] / "svg" / "LICENSE").write_text("of svg")
    (clones["fluent"] / "LICENSE-GRAPHICS").write_text("of graphics")
    found = dict(manifest.licences(clones))
    assert found.keys() == {"names-NOTICE.txt", "noto-LICENSE", "noto-svg-LICENSE", "fluent-LICENSE-GRAPHICS"}
    assert found["noto-svg-LICENSE"] == b"of svg"


def test_versions_are_told() -> None:
    assert {"unnoise", "pillow"} <= manifest.made_with().keys()
