"""The judge's recipe: what it wants, and that its file holds two towers that know words."""

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.recipes import RECIPES
from unnoise.train.fit import fit
from unnoise.weights.header import read_header
from unnoise.weights.parts import facts, holds


def small(data, **changes):
    settings = {"size": 16, "widths": (8, 8), "width": 64, "depth": 1, "steps": 3, "batch": 4, "previews": 2}
    return RECIPES["emoji_judge"](data=data, **settings | changes)


def test_without_data_it_says_what_it_takes():
    with pytest.raises(Refused, match="needs captioned pictures") as refused:
        RECIPES["emoji_judge"]().run()
    assert refused.value.field == "data"


@pytest.mark.parametrize(("field", "value"), [("batch", 1), ("width", 0), ("width", 100)])
def test_sizes_that_do_not_do_are_refused(emoji, field, value):
    with pytest.raises(Refused) as refused:
        small(emoji, **{field: value}).run()
    assert refused.value.field == field
    with pytest.raises(Refused) as refused:
        small(emoji, size=18).run()
    assert refused.value.field == "eye"


def test_styles_of_one_thing_are_one_thing(emoji):
    run = small(emoji).run()
    names = [tags["name"] for tags in run.pictures.tags]
    things = run.subject.things
    assert len(set(names)) == 4 == len(set(things.tolist()))
    same = things[:, None] == things
    assert same.tolist() == [[a == b for b in names] for a in names]


def test_it_holds_out_what_the_set_does(emoji, tmp_path):
    run = small(emoji).run()
    assert run.heldout is not None and len(run.heldout) == 2
    assert torch.equal(run.subject.shown.images, run.heldout.images)
    assert small(emoji, previews=0).run().subject.shown is None


def test_its_weights_are_a_function_of_its_seed(emoji):
    states = [small(emoji, seed=seed).run().subject.objective.eye.state_dict() for seed in (0, 0, 1)]
    same, other = ([torch.equal(states[0][k], s[k]) for k in s] for s in states[1:])
    assert all(same) and not all(other)


def test_what_people_vary_gets_there(emoji):
    objective = small(emoji, ground=0.7, blocks=2, depth=2).run().subject.objective
    assert objective.augment.ground == 0.7
    assert (objective.eye.config.blocks, objective.eye.config.out, objective.text.config.depth) == (2, 64, 2)


def test_it_trains_and_its_file_says_what_it_is(emoji, tmp_path):
    list(fit(small(emoji).run(), tmp_path))
    header = read_header(tmp_path / "model.safetensors")
    assert set(holds(header)) == {"eye", "text"} and facts(header)["steps"] == "3"
    assert {entry.dtype for entry in header.tensors.values()} == {"BF16"}
