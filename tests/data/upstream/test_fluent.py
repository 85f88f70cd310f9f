"""Fluent Emoji: three styles, the yellow one of every skin tone, and the repository's own words."""

import json
from pathlib import Path

import pytest

from unnoise.core.error import Refused
from unnoise.data.upstream.fluent import upstream


def test_the_samples(samples: Path) -> None:
    art = list(upstream.art(samples / "fluentui-emoji"))
    assert [a.path.as_posix() for a in art if a.points == (0x1F34E,)] == [
        "assets/Red apple/3D/red_apple_3d.png",
        "assets/Red apple/Color/red_apple_color.svg",
        "assets/Red apple/Flat/red_apple_flat.svg",
    ]
    assert [a.path.as_posix() for a in art if a.points == (0x1F44B,)] == [
        "assets/Waving hand/Default/3D/waving_hand_3d_default.png"  # and none of another skin tone
    ]
    assert len(art) == 13
    own = art[0].own
    assert own is not None and (own.name, own.group, own.keywords) == (
        "dog face",
        "Animals & Nature",
        ("dog", "face", "pet"),
    )
    assert {a.style.name for a in art} == {style.name for style in upstream.styles}


@pytest.mark.parametrize(
    "about",
    [
        *("", "[]", "{}", '{"cldr": "x"}', '{"cldr": "x", "unicode": "zz"}', "[" * 9**5),
        '{"cldr": "x", "unicode": "1f34e", "keywords": ["half \\ud83c"]}',
        f'{{"cldr": "x", "unicode": "{"1f34e " * 40}"}}',
    ],
)
def test_a_damaged_entry_is_named(tmp_path: Path, about: str) -> None:
    (tmp_path / "assets" / "Fox").mkdir(parents=True)
    (tmp_path / "assets" / "Fox" / "metadata.json").write_text(about)
    with pytest.raises(Refused, match=r"Fox.metadata\.json is damaged"):
        list(upstream.art(tmp_path))


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no clone of fluentui-emoji: there is no assets/NAME/metadata\.json in it"):
        list(upstream.art(tmp_path))


def test_an_entry_without_pictures_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "assets" / "Fox" / "High Contrast").mkdir(parents=True)
    (tmp_path / "assets" / "Fox" / "metadata.json").write_text(json.dumps({"cldr": "fox", "unicode": "1f98a"}))
    assert list(upstream.art(tmp_path)) == []
