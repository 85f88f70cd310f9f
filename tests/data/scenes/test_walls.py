"""Nothing stands before what it cannot be told from."""

import math

from hypothesis import given
from hypothesis import strategies as st

from unnoise.data.scenes.colours import PALETTE
from unnoise.data.scenes.draw import scene_of
from unnoise.data.scenes.scene import Mix
from unnoise.data.scenes.sprites import Sprites
from unnoise.data.scenes.walls import CONTRAST, WALLS

numbers = st.integers(0, 2**40)


@given(numbers)
def test_things_can_be_told_from_what_is_behind_them(sprites: Sprites, index: int) -> None:
    scene = scene_of(sprites, Mix(alone=0.3, grounded=1), 4, index)
    if scene.kind == "alone" and scene.background.names == ("white",):
        return  # nothing else would do
    for thing in scene.things:
        colours = {thing.tint} if thing.tint else set(sprites.all[thing.sprite].hints)
        assert not colours & {name.rpartition(" ")[2] for name in scene.background.names}
        own = PALETTE[thing.tint] if thing.tint else sprites.all[thing.sprite].mean
        shades = [WALLS[name] for name in scene.background.names]
        for share in (0, 0.25, 0.5, 0.75, 1):  # of the way from one end of a gradient to the other
            behind = [(1 - share) * first + share * last for first, last in zip(shades[0], shades[-1], strict=True)]
            assert scene.background.names == ("white",) or math.dist(own, behind) > CONTRAST
