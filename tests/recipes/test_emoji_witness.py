"""The witness's recipe: what it wants, which things it takes, and that its file holds a network with questions."""

import io
import tarfile
from pathlib import Path

import pytest
import torch

from recipes.conftest import STYLES, _members
from unnoise.core.error import Refused
from unnoise.evaluate.exam import opened
from unnoise.recipes import RECIPES
from unnoise.train.fit import fit
from unnoise.weights.header import read_header
from unnoise.weights.parts import holds

THINGS = {"apple": (220, 40, 40), "cup": (40, 60, 220), "leaf": (40, 180, 60), "star": (250, 210, 60)}
OTHERS = {"blue cup": (40, 60, 220), "butter": (250, 220, 100)}  # two words; not to be counted


@pytest.fixture(scope="module")
def things(tmp_path_factory) -> Path:
    """A folder of shards of things in two styles, one of which only one style has."""
    folder = tmp_path_factory.mktemp("things")
    with tarfile.open(folder / "train-00000.tar", "w") as shard:
        for style in STYLES:
            known = THINGS | OTHERS | ({"key": (90, 90, 90)} if style == STYLES[0] else {})
            for k, (name, colour) in enumerate(known.items()):
                for kind, content in _members(name, colour, style, k % 4).items():
                    member = tarfile.TarInfo(f"{style}_{name.replace(' ', '-')}{kind}")
                    member.size = len(content)
                    shard.addfile(member, io.BytesIO(content))
    return folder


def small(data, **changes):
    settings = {"styles": STYLES, "things": 4, "questions": 2, "size": 16, "widths": (8, 8), "steps": 3, "batch": 4}
    return RECIPES["emoji_witness"](data=data, **settings | changes)


@pytest.fixture(scope="module")
def run(things):
    return small(things).run()


def test_without_data_it_says_what_it_takes():
    with pytest.raises(Refused, match="needs emoji with their alpha") as refused:
        RECIPES["emoji_witness"]().run()
    assert refused.value.field == "data"


@pytest.mark.parametrize(("field", "value"), [("things", 2), ("questions", 1), ("things", 5)])
def test_too_few_are_refused(things, field, value):
    with pytest.raises(Refused) as refused:
        small(things, **{field: value}).run()
    assert refused.value.field == field


def test_sizes_that_do_not_do_are_refused(things):
    with pytest.raises(Refused) as refused:
        small(things, size=18).run()
    assert refused.value.field == "witness"


def test_things_are_of_one_word_countable_and_of_every_style(run, things):
    config = run.subject.objective.witness.config
    assert config.things == ("apple", "cup", "leaf", "star") and config.styles == STYLES
    three = small(things, things=3).run().subject.objective.witness.config.things
    assert len(three) == 3 and set(three) < set(THINGS)


def test_only_those_things_are_shown_and_each_has_its_answers(run):
    for k in range(100):
        shown = {thing.noun for thing in run.pictures.scene(k).things}
        answers = run.subject.answers(k)
        assert shown <= set(THINGS) and answers["first"] >= 0 and answers["count"] >= 0


def test_held_out_scenes_and_questions_are_others(run):
    trained = {run.pictures.picture(k).numpy().tobytes() for k in range(300)}
    assert len({p.numpy().tobytes() for p in run.heldout.images} - trained) > 300
    assert len(run.subject.questions) == len(run.subject.scenes) == 12
    assert run.subject.scenes.shape[1:] == run.heldout.images.shape[1:] == (3, 16, 16)


def test_its_weights_are_a_function_of_its_seed(things):
    states = [small(things, seed=seed).run().subject.objective.witness.state_dict() for seed in (0, 0, 1)]
    same, other = ([torch.equal(states[0][k], s[k]) for k in s if s[k].ndim > 1] for s in states[1:])
    assert all(same) and not all(other)


def test_it_trains_and_its_file_brings_its_questions(things, tmp_path):
    made = small(things).run()
    list(fit(made, tmp_path))
    file = tmp_path / "model.safetensors"
    assert holds(read_header(file)) == ("witness",)
    assert [each.question for each in opened(str(file)).real] == made.subject.questions
