"""Where the tokenizers of a model are found, in what order, and what would do where there is none."""

import json

import pytest
from tokenizers import Tokenizer, models

from families.strangers import folder, put
from unnoise.catalogue import reading
from unnoise.core.error import Refused
from unnoise.families import _tokens as tokens
from unnoise.families._folder import read_source

MARKS = ["<pad>", "</s>", "<unk>"]


def t5_file(path, *pieces):
    """A tokenizer of T5's kind with a few pieces."""
    tokenizer = Tokenizer(models.Unigram([(mark, 0.0) for mark in MARKS] + [(piece, -1.0) for piece in pieces], 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tokenizer.to_str(), encoding="utf-8")
    return path


def clip_file(path, *words):
    """A tokenizer of CLIP's kind with a few words."""
    names = ["<|startoftext|>", "<|endoftext|>", "!", *words]
    model = models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(Tokenizer(model).to_str(), encoding="utf-8")
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def source(tmp_path):
    """A pipeline's folder that has lost its tokenizer."""

    def made(**given):
        path = tmp_path / "model"
        return read_source(path if path.exists() else folder(path), reading(given.get("parts")))

    return made


def test_clip_s_comes_with_the_package(home, source):
    index = json.loads((source().path / "model_index.json").read_text())
    put(source().path / "model_index.json", {k: v for k, v in index.items() if k != "tokenizer"})
    words = tokens.clip(source())
    assert (words.begin, words.end, words.pad, words.ids("a fox")) == (49406, 49407, 49407, [320, 3240])
    assert tokens.clip(source(), pad=tokens.ZERO).pad == 0


def test_the_folder_s_own_comes_before_it_and_the_given_one_before_that(home, source, tmp_path):
    clip_file(source().path / "tokenizer" / "tokenizer.json", "a")
    assert tokens.clip(source()).ids("a") == [3]
    given = clip_file(tmp_path / "other" / "tokenizer.json", "b", "a")
    for word in (given, given.parent):
        assert tokens.clip(source(parts={"tokenizer": word})).ids("a") == [4]


def test_a_folder_that_has_lost_the_one_it_names_says_so(home, source, tmp_path):
    path = source().path / "tokenizer"
    with pytest.raises(Refused, match="is missing") as refused:
        tokens.clip(source())
    assert f"the folder {path} is" in str(refused.value) and "--part tokenizer=PATH" in str(refused.value)
    clip_file(home / "tokenizers" / "clip" / "tokenizer.json", "a")  # another one is not taken for it unasked
    with pytest.raises(Refused, match="is missing"):
        tokens.clip(source())
    given = clip_file(tmp_path / "other" / "tokenizer.json", "b", "a")
    assert tokens.clip(source(parts={"tokenizer": given})).ids("a") == [4]


def test_t5_s_is_found_at_home_by_what_it_is(home, source):
    with pytest.raises(Refused, match="no tokenizer for T5") as refused:
        tokens.t5(source(), "tokenizer_3")
    assert str(home / "tokenizers" / "t5") in str(refused.value) and "hub:google/t5-v1_1-xxl" in str(refused.value)
    clip_file(home / "tokenizers" / "clip.json", "x")
    t5_file(home / "tokenizers" / "t5" / "tokenizer.json", "fox")
    assert tokens.t5(source(), "tokenizer_3").ids("fox") == [3]


def test_given_tokenizers_are_told_apart(home, source, tmp_path):
    one, other = clip_file(tmp_path / "1.json", "a"), t5_file(tmp_path / "2.json", "b", "a")
    for given in ([one, other], [other, one]):
        made = source(parts={"tokenizer": given})
        assert (tokens.clip(made).ids("a"), tokens.t5(made, "tokenizer_2").ids("a")) == ([3], [4])


@pytest.mark.parametrize("said", ["{", "[]", "7", '{"model": 7}', '{"model": {}}', "[" * 100_000])
def test_what_is_no_tokenizer_is_refused(home, tmp_path, said):
    put(tmp_path / "x.json", said)
    assert tokens.kind_of(tmp_path / "x.json") is None and tokens.kind_of(tmp_path) is None
    with pytest.raises(Refused, match="there is no tokenizer"):
        reading({"tokenizer": tmp_path / "x.json"})
