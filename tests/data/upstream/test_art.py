"""Every repository says what its pictures need said."""

import re

from unnoise.data.upstream import UPSTREAMS


def test_every_repository_has_its_terms() -> None:
    assert set(UPSTREAMS) >= {"fluent", "noto", "twemoji"}
    for name, upstream in UPSTREAMS.items():
        assert upstream.address.startswith("https://github.com/") and upstream.attribution and upstream.family, name
        assert re.fullmatch(r"[A-Za-z0-9.-]+", upstream.licence), name


def test_styles_are_one_of_a_kind_and_fit_into_a_name() -> None:
    styles = [style for upstream in UPSTREAMS.values() for style in upstream.styles]
    assert len({style.name for style in styles}) == len(styles)
    for style in styles:
        assert re.fullmatch(r"[a-z0-9-]+", style.name) and "," in style.words and 0.9 < style.share <= 1
