"""The text is AUTOMATIC1111's, comes back as it was written, and no text is slow to read."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.examples import RECORD, asked
from unnoise.media.infotext import NEGATIVE, parameters, parse_parameters, plain


def test_the_text_of_a_record() -> None:
    assert parameters(RECORD) == (
        "a red fox\n"
        "Negative prompt: blurry\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 5, Size: 40x30, "
        "Model hash: 0123456789, Model: emoji, Version: unnoise 0.1.0"
    )


def test_options_and_names_of_our_own_stand_as_specs() -> None:
    said = parse_parameters(parameters(replace(RECORD, sampler="ddim:eta=0.5", spacing="leading")))
    assert said["Sampler"] == "ddim:eta=0.5"
    assert said["Schedule type"] == "leading"


def test_without_a_negative_prompt_or_steps_in_the_request() -> None:
    lines = parameters(asked(prompt="x")).split("\n")
    assert len(lines) == 2
    assert lines[1].startswith("Steps: 2, ")  # three levels are two steps


@pytest.mark.parametrize(
    ("guidance", "scale"),
    [("7.5", "7.5"), ("classifier_free:scale=7", "7"), ("interval:low=0.1,scale=3", "3"), ("apg", None), ("", None)],
)
def test_the_scale_of_a_guidance(guidance: str, scale: str | None) -> None:
    assert parse_parameters(parameters(replace(RECORD, guidance=guidance))).get("CFG scale") == scale


@pytest.mark.parametrize(
    ("files", "digest"),
    [
        ({"other.safetensors": "a" * 64}, "a" * 10),
        ({"a-lora.safetensors": "a" * 64, "emoji.safetensors": "b" * 64}, "b" * 10),
        ({"a-lora.safetensors": "a" * 64, "emoji": "b" * 64}, "b" * 10),
        ({"text_encoder": "a" * 64, "unet": "b" * 64}, None),
        ({}, None),
    ],
)
def test_the_hash_is_the_checkpoints_own(files: dict[str, str], digest: str | None) -> None:
    assert parse_parameters(parameters(replace(RECORD, files=files))).get("Model hash") == digest


def test_strength_of_a_variation() -> None:
    assert parse_parameters(parameters(asked(strength=0.6)))["Denoising strength"] == "0.6"


def as_kept(prompt: str) -> str:
    """A prompt as the format keeps it: lines without blanks at their ends, no empty ones before."""
    return "\n".join(line.strip() for line in plain(prompt).split("\n")).lstrip("\n")


WORDS = st.text(alphabet=st.characters() | st.sampled_from('a:,"\\\n (<>'), max_size=60)
PROMPTS = WORDS.filter(lambda p: not any(line.startswith(NEGATIVE) for line in as_kept(p).split("\n")))


@given(PROMPTS, PROMPTS, WORDS, st.integers(), WORDS)
def test_round_trip(prompt: str, negative: str, model: str, seed: int, sampler: str) -> None:
    record = replace(asked(prompt=prompt, negative=negative), model=model, seed=seed, sampler=f"{sampler}x")
    said = parse_parameters(parameters(record))
    assert said["Prompt"] == as_kept(prompt)
    assert said["Negative prompt"] == as_kept(negative)
    assert said.get("Model", "") == plain(model)
    assert said["Sampler"] == plain(f"{sampler}x")
    assert said["Seed"] == str(seed)
    assert said["Size"] == "40x30"


@pytest.mark.parametrize("model", ["a\nb", "a,b", "a: b", 'a"b, c', '"a"', '"', " a ", "\\", 'a\\", b', "é狐", "a\tb"])
def test_values_are_quoted_where_they_must_be(model: str) -> None:
    assert parse_parameters(parameters(replace(RECORD, model=model)))["Model"] == model


@given(st.text(alphabet=st.characters()))
def test_plain_text_can_be_written_anywhere(text: str) -> None:
    clean = plain(text)
    clean.encode("utf-8")
    assert "\0" not in clean
    assert plain(clean) == clean


@given(st.text(alphabet=st.characters() | st.sampled_from('ab: ,"\\-/\n')))
def test_any_text_is_read(text: str) -> None:
    said = parse_parameters(text)
    assert {"Prompt", "Negative prompt"} <= said.keys()


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ("Steps: 1, Sampler: x, Seed: 2", {"Steps": "1", "Sampler": "x", "Seed": "2"}),
        ('a1: "x, y: z", b-2/c:"\\n", _d: "open, e5: ""', {"a1": "x, y: z", "b-2/c": "\n", "_d": '"open', "e5": ""}),
        ('aa: "x" y, bb: "\\z", cc: \\"', {"aa": '"x" y', "bb": '"\\z"', "cc": '\\"'}),
        ("  - aa : 1, b: 2: cc: 3, dd: , ee:", {"aa ": "1", "cc": "3", "dd": "", "ee": ""}),
        ("(aa: 1, é狐: 2, cc: http://x:1", {"aa": "1", "é狐": "2", "cc": "http://x:1"}),
    ],
)
def test_the_last_line_is_read_as_others_read_it(line: str, pairs: dict[str, str]) -> None:
    # Expected values are those of the regular expression that the format's own reader searches with.
    assert parse_parameters(f"words\n{line}") == {"Prompt": "words", "Negative prompt": "", **pairs}


def test_two_pairs_are_no_parameters() -> None:
    assert parse_parameters("a cat\nmood: sad, colour: blue")["Prompt"] == "a cat\nmood: sad, colour: blue"


def test_pairs_do_not_replace_the_prompt() -> None:
    said = parse_parameters("words\nPrompt: x, Negative prompt: y, Steps: 1")
    assert said == {"Prompt": "words", "Negative prompt": "", "Steps": "1"}


@pytest.mark.parametrize(
    "unit",
    ["a", " ", "a ", "\n", "a:", "ab:", 'ab:"', 'ab:"\\",', 'ab: "x', "ab:c,", "\\", "Negative prompt:\n", "狐-/"],
)
def test_a_megabyte_of_anything_is_quick(unit: str) -> None:
    text = (unit * 2**19)[: 2**19]
    began = time.process_time()
    for start in ("", 'ab: "'):
        parse_parameters(start + text)
    assert time.process_time() - began < 10  # a quadratic reader takes half an hour
