"""Things are cut out along their alpha, and what is said of them is measured."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unnoise.core.error import Refused
from unnoise.data.scenes.colours import NAMES, share, tinted
from unnoise.data.scenes.sprites import MOSTLY, Shelf, Sprite, Sprites, cut, cut_out, sprite_of
from unnoise.data.source import Item, items, open_source


def _by(sprites: Sprites, name: str, style: str = "flat") -> Sprite:
    return next(s for s in sprites.all if (s.name, s.style) == (name, style))


def test_what_has_an_alpha_and_is_wanted_is_cut_out(sprites: Sprites) -> None:
    assert len(sprites.all) == 16
    assert {s.group for s in sprites.all} == {"Things"}
    assert {style: len(found) for style, found in sprites.styles.items()} == {"flat": 8, "round": 8}
    apple = _by(sprites, "red apple")
    assert (apple.noun, apple.colour, apple.phrase) == ("apple", "red", "flat emoji, flat art")
    assert apple.keywords == ("object", "toy")  # not the red thing, x1, gold or left
    assert apple.pixels.shape == (48, 44, 4)
    assert apple.corner == (8 / 64, 10 / 64)
    assert {s.noun: s.colour for s in sprites.all if s.style == "flat"} == {
        "apple": "red",
        "cup": "blue",
        "star": "yellow",
        "dog": "brown",
        "leaf": "green",
        "grapes": "purple",
        "butter": "yellow",
        "half moon": "grey",
    }


def test_what_cannot_be_cut_out_is_told(sprites: Sprites, tmp_path: Path, png, tar) -> None:
    empty, torn = sprites.broken
    assert empty.startswith("nothing of 'e' is opaque") and "torn.alpha.png" in torn
    names = {"a": png(), "b": png()[:40], "c": png(size=(4, 8))}
    members = {f"{name}.alpha.png": data for name, data in names.items()}
    members |= {f"{name}.png": png() for name in names} | {f"{name}.json": b'{"name": "cup"}' for name in names}
    few = cut_out(open_source(tar(tmp_path / "train-0.tar", members), captionless=True), Shelf(tmp_path))
    assert len(few.all) == 1 and len(few.broken) == 2
    assert "b.alpha.png" in few.broken[0] and few.broken[1].startswith("c is of 8x8 pixels and its alpha of 4x8")
    for name in ("a.png", "b.png", "c.png"):
        members[name] = b""
    tar(tmp_path / "train-0.tar", members | {"a.txt": b"a cup"})
    with pytest.raises(Refused, match=r"nothing to cut out in its split 'train'; 3 are broken, the first is .*a\.png"):
        cut(Shelf(tmp_path))


def test_a_picture_that_is_no_square_is_cut_from_its_middle(tmp_path: Path, tar) -> None:
    shades = {"a.png": Image.new("RGB", (20, 40), "white"), "a.alpha.png": Image.new("L", (20, 40))}
    for image, colour in zip(shades.values(), ((200, 30, 40), 255), strict=True):
        image.paste(colour, (4, 2, 12, 38))
    members = {name: encoded(image) for name, image in shades.items()} | {"a.json": b'{"name": "cup"}'}
    (cup,) = cut_out(open_source(tar(tmp_path / "train-0.tar", members), captionless=True), Shelf(tmp_path)).all
    assert (cup.pixels.shape, cup.side, cup.corner) == ((20, 8, 4), 20, (0.2, 0.0))


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def test_a_shelf_takes_styles_and_leaves_groups(shards: Path) -> None:
    assert {s.style for s in cut(Shelf(shards, styles=("round",))).all} == {"round"}
    assert "no entry" in {s.name for s in cut(Shelf(shards, leave=())).all}
    with pytest.raises(Refused, match="nothing to cut out in its split 'train'"):
        cut(Shelf(shards, leave=("Things", "Symbols")))
    with pytest.raises(Refused, match=r"there is no group 'Thing': did you mean 'Things'\?"):
        cut(Shelf(shards, leave=("Thing",)))
    with pytest.raises(Refused, match="no shard heldout"):
        cut(Shelf(shards, split="heldout"))


def test_a_shelf_takes_things_by_what_they_are_called(shards: Path) -> None:
    found = cut(Shelf(shards, nouns=("apple", "star"))).all
    assert {(s.name, s.noun) for s in found} == {("red apple", "apple"), ("star", "star")} and len(found) == 4
    with pytest.raises(Refused, match="nothing to cut out"):
        cut(Shelf(shards, nouns=("red apple",)))  # it is called an apple


def test_a_sprite_on_white_is_its_picture_again(shards: Path, sprites: Sprites) -> None:
    source = {item.name: item for item in items(open_source(shards))}
    for sprite in sprites.all:
        white = source[f"{sprite.style}_{sprite.name.replace(' ', '-')}"].read().numpy().transpose(1, 2, 0)
        canvas = np.full((64, 64, 3), 255)
        left, top = round(sprite.corner[0] * 64), round(sprite.corner[1] * 64)
        height, width, _ = sprite.pixels.shape
        canvas[top : top + height, left : left + width] -= 255
        canvas[top : top + height, left : left + width] += sprite.pixels[..., :3] + (
            255 - sprite.pixels[..., 3:].astype(int)
        )
        assert np.abs(canvas - white).max() <= 1


def test_nothing_of_a_sprite_is_empty_at_an_edge(sprites: Sprites) -> None:
    for sprite in sprites.all:
        seen = sprite.pixels[..., 3] > 0
        assert seen[0].any() and seen[-1].any() and seen[:, 0].any() and seen[:, -1].any()
        assert (sprite.pixels[..., :3] <= sprite.pixels[..., 3:]).all()


def test_a_thing_is_given_only_colours_that_it_then_has(sprites: Sprites) -> None:
    apple = _by(sprites, "red apple", "round")
    assert set(apple.tints) >= {"blue", "green", "yellow", "purple", "brown"}
    assert "red" not in apple.tints
    parts = apple.pixels / 255
    for name, became in zip(apple.tints, tinted(parts[..., :3], parts[..., 3:], apple.own, apple.tints), strict=True):
        opaque = became[apple.pixels[..., 3] == 255]
        assert share(opaque)[NAMES.index(name)] >= MOSTLY
    assert _by(sprites, "half moon").tints == ()  # grey has no hue to change


def test_people_and_names_that_say_a_colour_keep_theirs() -> None:
    white = torch.zeros(3, 16, 16, dtype=torch.uint8)
    white[0] = 220
    alpha = torch.full((1, 16, 16), 255, dtype=torch.uint8)

    def made(name: str, group: str = "Things") -> Sprite:
        return sprite_of(Item("x", (), {"name": name, "group": group}, None), white, alpha)

    person, leafy, wrong = made("person", "People & Body"), made("leafy green"), made("blue hat")
    assert (person.colour, person.tints, person.hints) == ("", (), ("red",))
    assert (leafy.colour, leafy.tints) == ("", ())
    assert (wrong.noun, wrong.colour, wrong.tints) == ("blue hat", "", ())  # it is red: what it is called stands
    assert made("red hat").noun == made("hat").noun == "hat"
    assert made("red hat").tints == made("hat").tints != ()


def test_a_thing_of_many_colours_has_none() -> None:
    stripes = (
        torch.tensor([[220, 30, 30], [30, 60, 220], [40, 170, 50]], dtype=torch.uint8).T[:, :, None].expand(3, 3, 9)
    )
    opaque = torch.full((1, 3, 9), 255, dtype=torch.uint8)
    sprite = sprite_of(Item("x", (), {"name": "flag"}, None), stripes, opaque)
    assert (sprite.colour, sprite.own, sprite.tints) == ("", None, ())
    assert sprite.hints == ("red", "green", "blue")
    assert sprite.ratio == 3
    with pytest.raises(Refused, match="nothing of 'x' is opaque"):
        sprite_of(Item("x", (), {"name": "flag"}, None), stripes, torch.full((1, 3, 9), 3, dtype=torch.uint8))


def test_what_stands_beside_what(sprites: Sprites) -> None:
    def nouns(found: tuple[int, ...]) -> set[str]:
        return {sprites.all[k].noun for k in found}

    assert nouns(sprites.placed["flat"]) == {"apple", "cup", "star", "dog", "leaf", "grapes", "butter", "half moon"}
    assert nouns(sprites.counted["flat"]) == {"apple", "cup", "star", "dog", "leaf", "half moon"}
    assert sprites.company == ("flat", "round")
    assert Sprites(sprites.all[:2]).company == ()
    assert ("apple", "red") in sprites.natural
    assert ("apple", "blue") not in sprites.natural


def test_the_emoji_set(shared: Path) -> None:
    sprites = cut(Shelf(shared / "data" / "emoji128", split="heldout", styles=("twemoji",)))
    assert len(sprites.all) > 30
    fox = next(s for s in sprites.all if (s.name, s.style) == ("fox", "twemoji"))
    assert (fox.colour, fox.phrase) == ("orange", "twemoji, flat cartoon vector art")
    assert {"red", "blue", "green"} <= set(fox.tints)
