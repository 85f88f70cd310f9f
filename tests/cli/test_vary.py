"""`--vary FIELD=VALUES`: no value is ambiguous, and what is none is refused."""

import pytest

from unnoise.cli._vary import MOST, Axis, axes, cells
from unnoise.core.error import Refused
from unnoise.tasks.generate import Generate


@pytest.mark.parametrize(
    ("words", "field", "values"),
    [
        (["steps=10,20"], "steps", (10, 20)),
        (["steps=10", "steps=20,30"], "steps", (10, 20, 30)),
        (["steps= 10 , 20 "], "steps", (10, 20)),
        (["guidance=2,apg"], "guidance", ("2", "apg")),
        (["sampler=euler,dpmpp_2m"], "sampler", ("euler", "dpmpp_2m")),
        (["sampler=ddim:eta=0.5,x=1;lms"], "sampler", ("ddim:eta=0.5,x=1", "lms")),
        (["prompt=a cat, asleep;"], "prompt", ("a cat, asleep",)),
        (["prompt=a;;b;c"], "prompt", ("a;b", "c")),
        (["prompt=a=b,c"], "prompt", ("a=b", "c")),
        (["negative=,blurry"], "negative", ("", "blurry")),
        (["spacing=,karras"], "spacing", (None, "karras")),
        (["steps=;5"], "steps", (None, 5)),
        (["--width=64,128"], "width", (64, 128)),
    ],
)
def test_the_values_of_a_field(words, field, values):
    (axis,) = axes(words)
    assert (axis.field, axis.values) == (field, values)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("steps", "--vary cannot be 'steps'"),
        ("stepps=1", "there is no field 'stepps': did you mean 'steps'?"),
        ("steps=1,x", "--vary steps: steps cannot be 'x': it takes a whole number"),
        ("steps=1,1", "gives steps '1' twice"),
        ("count=1,2", "count cannot vary"),
        ("start=1", "there is no field 'start'"),
        ("=1", "there is no field ''"),
        ("", "--vary cannot be ''"),
    ],
)
def test_what_cannot_vary(word, said):
    with pytest.raises(Refused) as refused:
        axes([word])
    assert said in str(refused.value)


def test_every_cell_has_its_request():
    task = Generate(prompt="x", count=3, seed=7, steps=1)
    found = cells(task, axes(["steps=2,3", "sampler=euler,heun"]))
    assert [c.at for c in found] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [(c.task.steps, c.task.sampler) for c in found] == [(2, "euler"), (2, "heun"), (3, "euler"), (3, "heun")]
    assert all((c.task.prompt, c.task.seed, c.task.count) == ("x", 7, 1) for c in found)


def test_a_grid_has_an_end():
    with pytest.raises(Refused, match="1,000,000 pictures"):
        cells(Generate(prompt="x"), tuple(Axis(n, tuple(range(1000)), ()) for n in ("steps", "seed")))
    assert len(cells(Generate(prompt="x"), (Axis("seed", tuple(range(MOST)), ()),))) == MOST
