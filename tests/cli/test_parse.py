"""Words to dataclasses: what is read, what is refused, and what is suggested."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.cli._parse import field_help, options, parse
from unnoise.core.error import Refused


@dataclass(frozen=True, kw_only=True)
class Group:
    """More.

    Args:
        loud: Louder.
        names, ages: Of people, one
            or many.
    """

    loud: bool = False
    names: tuple[str, ...] = ("ann",)
    ages: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Ask for a thing.

    Args:
        prompt: What it is.
        count: How many.
        share: How much.
        colour: Which.
        latents_out: Where to.
        either: A number or a name.

    Not a field: this is no help.
    """

    prompt: str
    count: int | None = None
    share: float = 0.5
    colour: Literal["red", "green"] = "red"
    latents_out: Path | None = None
    either: str | float | None = None
    group: Group = field(default_factory=Group)


def read(*args: str) -> Asked:
    return parse(Asked, args, "prog ask")


def test_fields_become_options_and_groups_are_flat():
    assert read("fox") == Asked(prompt="fox")
    found = read(
        *("--count", "3", "fox", "--share=0.25", "--colour", "green", "--latents-out", "a/b"),
        *("--either", "nan", "--loud", "--names", "x", "y", "--ages", "1", "2"),
    )
    assert found == Asked(
        prompt="fox",
        count=3,
        share=0.25,
        colour="green",
        latents_out=Path("a/b"),
        either="nan",
        group=Group(loud=True, names=("x", "y"), ages=(1, 2)),
    )


@pytest.mark.parametrize("text", ["-1", "-1.5", "a b", "", "--", "=", "é", "{seed}", "None", "%s"])
def test_texts_are_taken_as_they_are(text):
    assert read("--", text).prompt == text
    assert read("x", f"--either={text}").either == text


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["x", "--cuont", "3"], "unknown option '--cuont': did you mean --count?"),
        (["x", "--colour-", "red"], "did you mean --colour?"),
        (["x", "--loudd"], "did you mean --loud?"),
        (["x", "--zzz"], "see 'prog ask --help'"),
        (["x", "-c"], "unknown option '-c'"),
        (["--loud", "--", "x", "--count", "3"], "put --count before it"),
        (["x", "y"], "one word too many, 'y'"),
        ([], "PROMPT is missing: What it is."),
        (["--loud"], "PROMPT is missing"),
        (["x", "--count"], "--count needs a value"),
        (["x", "--count", "--loud"], "--count needs a value"),
        (["x", "--count", "many"], "--count cannot be 'many': it takes a whole number"),
        (["x", "--count", "3.0"], "whole number"),
        (["x", "--count", "None"], "whole number"),
        (["x", "--count", "9" * 5000], "whole number"),
        (["x", "--share", "nan"], "finite number"),
        (["x", "--share", "1e999"], "finite number"),
        (["x", "--share", "half"], "finite number"),
        (["x", "--colour", "blue"], "--colour cannot be 'blue': it takes one of red, green"),
        (["x", "--ages", "1", "b"], "--ages cannot be 'b'"),
        (["x", "--latents-out", ""], "it takes a path"),
        (["x", "--latents-out", "a\0b"], "it takes a path"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(args, said):
    with pytest.raises(Refused) as refused:
        read(*args)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


@given(st.lists(st.one_of(st.text(), st.sampled_from([*options(Asked), "-", "--", "=", "x", "1"])), max_size=6))
def test_any_words_are_read_or_refused(args):
    if not {"-h", "--help"} & set(args) and not any(a.startswith("--tyro") for a in args):
        try:
            assert isinstance(read(*args), Asked)
        except Refused as refused:
            assert str(refused).strip()


def test_help_says_what_the_docstring_says(capsys):
    with pytest.raises(SystemExit) as end:
        read("--help")
    assert not end.value.code
    said = capsys.readouterr().out
    assert "Ask for a thing." in said and "--count N" in said and "How many." in said
    assert "(required)" in said and "(0.5)" in said and "red|green" in said
    assert "None" not in said and "no help" not in said


def test_field_help_reads_the_section_alone():
    assert field_help(Group) == {"loud": "Louder.", **dict.fromkeys(("names", "ages"), "Of people, one or many.")}
    assert set(field_help(Asked)) == {"prompt", "count", "share", "colour", "latents_out", "either"}


def test_options_are_those_given_by_name():
    assert set(options(Asked)) == {
        *("--count", "--share", "--colour", "--latents-out", "--either", "--loud", "--names", "--ages"),
    }


@dataclass(frozen=True, kw_only=True)
class Several:
    """Take options that add up.

    Args:
        prompt: What it is.
        part: A part; may be given again.
        note: A note; may be given again.
        loud: Louder.
    """

    prompt: str
    part: tuple[str, ...] = field(default=(), metadata={"repeated": True})
    note: tuple[str, ...] = field(default=(), metadata={"repeated": True})
    loud: bool = False


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["x"], Several(prompt="x")),
        (["--part", "a=1", "x", "--part", "b=2"], Several(prompt="x", part=("a=1", "b=2"))),
        (["--part=a=1", "x", "--note", "n", "--loud"], Several(prompt="x", part=("a=1",), note=("n",), loud=True)),
        (["--part=a", "--", "--part"], Several(prompt="--part", part=("a",))),
    ],
)
def test_a_repeated_option_takes_one_word_each_time(words, wanted):
    assert parse(Several, words, "prog") == wanted


def test_a_repeated_option_without_a_value_is_refused():
    with pytest.raises(Refused, match="--part needs a value"):
        parse(Several, ["x", "--part"], "prog")
