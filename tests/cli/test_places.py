"""Where files go, and which places are refused before anything is computed."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.cli import _places as places
from unnoise.core.error import Refused
from unnoise.media import image


def test_the_suffixes_are_those_that_can_be_written():
    assert image.SUFFIXES == places.SUFFIXES


@pytest.mark.parametrize(
    ("out", "format", "path"),
    [
        ("out", None, "out/a-red-fox-7.png"),
        ("out/", "webp", "out/a-red-fox-7.webp"),
        ("v1.5/", "jpeg", "v1.5/a-red-fox-7.jpg"),
        ("fox.jpg", None, "fox.jpg"),
        ("fox.jpeg", "jpeg", "fox.jpeg"),
        ("a/b/FOX.PNG", "png", "a/b/FOX.PNG"),
        ("a/{seed}.webp", None, "a/7.webp"),
    ],
)
def test_a_folder_or_a_file(folder, out, format, path):
    assert places.place(out, format, 1).path("a red fox", 7) == Path(path)


def test_a_folder_that_is_there_is_one_whatever_its_name(folder):
    (folder / "v1.5").mkdir()
    assert places.place("v1.5", None, 1).path("x", 0) == Path("v1.5/x-0.png")


def test_nothing_in_a_folder_is_overwritten(folder):
    place = places.place(".", None, 3)
    for expected in ("x-0.png", "x-0-2.png", "x-0-3.png"):
        path = place.path("x", 0)
        assert path.name == expected
        path.touch()


@pytest.mark.parametrize(
    ("out", "format", "count"),
    [
        ("fox.bmp", None, 1),
        ("v1.5", None, 1),
        ("fox.png", "webp", 1),
        ("fox.png", None, 2),
        ("", None, 1),
        (" ", None, 1),
        ("a\0b.png", None, 1),
    ],
)
def test_a_place_that_cannot_be_is_refused(folder, out, format, count):
    with pytest.raises(Refused):
        places.place(out, format, count)


def test_files_beside_a_picture(folder):
    assert places.beside(None, (".gif",), "trace", 9) is None
    assert places.beside("a/{seed}.gif", (".gif",), "trace", 9) == Path("a/{seed}.gif")
    for word, count in (("a.png", 1), ("a.gif", 2), ("", 1)):
        with pytest.raises(Refused):
            places.beside(word, (".gif",), "trace", count)


def test_a_folder_is_made_when_it_can_be(folder):
    places.probe(folder / "a/b")
    assert list(folder.iterdir()) == []
    assert places.made(folder / "a/b").is_dir() and list((folder / "a/b").iterdir()) == []


def test_a_folder_that_cannot_be_is_refused(folder):
    (folder / "file").touch()
    for where in (folder / "file", folder / "file/sub", folder / ("x" * 300) / "y"):
        with pytest.raises(Refused, match="cannot write into"):
            places.made(where)
        with pytest.raises(Refused, match="cannot write into"):
            places.probe(where)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_refused(folder):
    folder.chmod(0o500)
    with pytest.raises(Refused):
        places.probe(folder / "new")
    folder.chmod(0o700)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A red fox, in snow!", "a-red-fox-in-snow"),
        ("", "picture"),
        ("...", "picture"),
        ("../../etc/passwd", "etc-passwd"),
        ("красная лиса", "красная-лиса"),
        ("word " * 30, "word-" * 11 + "word"),
        ("狐" * 100, "狐" * 21),
        ("a\0b\ud800c", "a-b-c"),
    ],
)
def test_slugs(title, name):
    assert places.slug(title) == name


@given(st.text())
def test_any_text_gives_a_name_that_any_system_takes(title):
    name = places.slug(title)
    assert 0 < len(name.encode()) <= 64
    assert not set(name) & set('/\\:*?"<>|\0 .') and name.isprintable()
