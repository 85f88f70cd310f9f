"""What a scene says is what its pixels show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label

from unnoise.core.error import Refused
from unnoise.data.scenes.colours import NAMES, named, share
from unnoise.data.scenes.draw import scene_of
from unnoise.data.scenes.painter import Painter
from unnoise.data.scenes.scene import Background, Box, Mix, Scene, Thing
from unnoise.data.scenes.sprites import Shelf, Sprites, cut
from unnoise.data.source import items, open_source

WHITE = Background(("white",), ((1.0, 1.0, 1.0),))
BLUE = Background(("blue",), ((0.2, 0.4, 0.9),))
numbers = st.integers(0, 2**40)


def showing(sprites: Sprites, name: str, style: str, box: Box | None = None, **more: object) -> Scene:
    """One thing, by itself or in a box."""
    number = next(k for k, s in enumerate(sprites.all) if (s.name, s.style) == (name, style))
    sprite = sprites.all[number]
    height, width, _ = sprite.pixels.shape
    box = box or Box(*sprite.corner, width / sprite.side, height / sprite.side)
    about = {"tint": "", "mirrored": False, "background": WHITE} | more
    thing = Thing(number, sprite.noun, "", about["tint"], "", about["mirrored"], (box,))
    return Scene("placed", (thing,), "", "", about["background"], style)


@pytest.mark.parametrize("style", ["flat", "round"])
def test_a_thing_alone_is_its_picture(sprites: Sprites, shards: Path, style: str) -> None:
    item = next(item for item in items(open_source(shards)) if item.name == f"{style}_red-apple")
    painted = Painter(sprites, 64).paint(showing(sprites, "red apple", style))
    assert painted.dtype == torch.uint8
    assert (painted.int() - item.read().int()).abs().max() <= 1


def test_mirrored_is_mirrored(sprites: Sprites) -> None:
    torn = sprites.all[0].pixels.copy()
    torn[:20, :10] = 0
    lopsided = Sprites((replace(sprites.all[0], pixels=torn),))
    for side in (1.0, 0.5):
        box = Box(*sprites.all[0].corner, side * torn.shape[1] / 64, side * torn.shape[0] / 64)
        mirror = replace(box, left=1 - box.right)
        plain = Painter(lopsided, 64).paint(showing(lopsided, "red apple", "flat", box))
        other = Painter(lopsided, 64).paint(showing(lopsided, "red apple", "flat", mirror, mirrored=True))
        assert torch.equal(plain.flip(-1), other)


def test_edges_have_no_halo(sprites: Sprites) -> None:
    # Between the thing's red and the wall's blue nothing is lighter than both.
    painted = Painter(sprites, 128).paint(
        showing(sprites, "red apple", "round", Box(0.2, 0.2, 0.55, 0.6), background=BLUE)
    )
    wall, body = torch.tensor([51, 102, 230]), torch.tensor([210, 30, 40])
    assert (painted <= torch.maximum(wall, body)[:, None, None] + 2).all()
    assert (painted >= torch.minimum(wall, body)[:, None, None] - 2).all()


def test_backgrounds(sprites: Sprites) -> None:
    corner = Box(0.45, 0.45, 0.1, 0.1)
    plain = Painter(sprites, 32).paint(showing(sprites, "star", "flat", corner, background=BLUE))
    assert plain[:, 0, 0].tolist() == plain[:, -1, -1].tolist() == [51, 102, 230]
    two = ("red", "white"), ((1.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    across = Painter(sprites, 32).paint(showing(sprites, "star", "flat", corner, background=Background(*two, "across")))
    down = Painter(sprites, 32).paint(showing(sprites, "star", "flat", corner, background=Background(*two, "down")))
    assert across[:, 5, 0].tolist() == [255, 0, 0] and across[:, 5, -1].tolist() == [255, 255, 255]
    assert (across[1, 0].diff().int() >= 0).all() and (across[1, :, 0] == 0).all()
    assert torch.equal(across[:, :8].transpose(1, 2), down[:, :, :8])


@given(numbers, st.sampled_from((64, 100)))
def test_as_many_are_seen_as_there_are(sprites: Sprites, index: int, size: int) -> None:
    scene = scene_of(sprites, Mix(alone=0, placed=0, counted=1, pair=1, row=1, gradient=0), 0, index)
    painted = Painter(sprites, size).paint(scene).int()
    wall = np.round(np.array(scene.background.colours[0]) * 255)[:, None, None]
    seen = np.abs(painted.numpy() - wall).max(0) > 40
    _, count = label(seen, np.ones((3, 3)))
    assert count == sum(len(thing.boxes) for thing in scene.things)
    assert not (seen[0].any() or seen[-1].any() or seen[:, 0].any() or seen[:, -1].any())


@given(numbers)
def test_colours_are_seen(sprites: Sprites, index: int) -> None:
    scene = scene_of(sprites, Mix(alone=0.2, gradient=0), 1, index)
    painted = Painter(sprites, 128).paint(scene).permute(1, 2, 0).numpy() / 255
    for thing in scene.things:
        for box in thing.boxes:
            x, y = (round(128 * middle) for middle in box.middle)
            shares = share(painted[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3))
            assert thing.colour == "" or shares[NAMES.index(thing.colour)] > 0.5
    assert NAMES[named(painted[0, 0])] == scene.background.names[0].rpartition(" ")[2]


@given(st.lists(numbers, min_size=2, max_size=6))
def test_what_was_painted_before_changes_nothing(sprites: Sprites, indices: list[int]) -> None:
    scenes = [scene_of(sprites, Mix(), 0, index) for index in indices]
    painter = Painter(sprites, 48)
    forwards = [painter.paint(scene) for scene in scenes]
    assert all(map(torch.equal, forwards[::-1], [painter.paint(scene) for scene in scenes[::-1]]))
    assert all(torch.equal(one, Painter(sprites, 48).paint(scene)) for one, scene in zip(forwards, scenes, strict=True))


@given(numbers, st.integers(8, 70))
def test_any_size_holds_all(sprites: Sprites, index: int, size: int) -> None:
    assert Painter(sprites, size).paint(scene_of(sprites, Mix(), 3, index)).shape == (3, size, size)


def test_the_emoji_sets_things_have_the_colours_they_are_given(shared: Path) -> None:
    sprites = cut(Shelf(shared / "data" / "emoji128", split="heldout", styles=("twemoji", "fluent-flat")))
    painter, mix = Painter(sprites, 128), Mix(alone=0, counted=0, pair=0, row=0, tinted=1, plain=0, gradient=0)
    scenes = [scene_of(sprites, mix, 0, index) for index in range(120)]
    big = [scene for scene in scenes if scene.things[0].size == "big"]  # small things are mostly edges
    assert len(big) > 15
    for scene in big:
        (thing,) = scene.things
        pixels = painter.paint(scene).permute(1, 2, 0).numpy()
        shown = pixels[(pixels != np.round(np.array(scene.background.colours[0]) * 255)).any(-1)]
        shares = share(shown / 255)
        assert thing.colour == "" or shares[NAMES.index(thing.colour)] > 0.4, thing


def test_a_size_of_nothing_is_refused(sprites: Sprites) -> None:
    with pytest.raises(Refused, match="scenes of 7 pixels: take at least 8"):
        Painter(sprites, 7)
