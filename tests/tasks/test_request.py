"""A stranger's JSON values become a task, or are refused by the field's name."""

import pytest

from unnoise import Generate, Refused
from unnoise.tasks._request import fits, task_of


def test_a_request_comes_back():
    request = {"prompt": "a red fox", "steps": 3, "guidance": 1, "seed": None}
    assert task_of("generate", request) == Generate(prompt="a red fox", steps=3, guidance=1)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("steps", 3, True),
        ("steps", None, True),
        ("steps", True, False),
        ("steps", 3.0, False),
        ("steps", "3", False),
        ("guidance", 3, True),
        ("guidance", 3.5, True),
        ("guidance", "apg", True),
        ("guidance", [], False),
        ("guidance", True, False),
        ("model", None, False),
        ("model", "tiny", True),
        ("colour", "red", False),
        ("plan", "x", False),
    ],
)
def test_values_are_of_their_field_s_type(name, value, expected):
    assert fits(Generate, name, value) is expected


@pytest.mark.parametrize(
    ("task", "request_", "said"),
    [
        ("vary", {"prompt": "x"}, "'vary'"),
        ("_plan", {"prompt": "x"}, "'_plan'"),
        ("generate", {"prompt": 5}, "'prompt'"),
        ("generate", {"prompt": "x", "colour": 1}, "'colour'"),
        ("generate", {"steps": 3}, "no prompt"),
    ],
)
def test_what_is_none_is_refused(task, request_, said):
    with pytest.raises(Refused, match=said):
        task_of(task, request_)
