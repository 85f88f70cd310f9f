"""Tokenizers from every file they come in: transformers' tokens for any text, and the published ones."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.text._clip_files import MERGES, clip_words
from unnoise.text._t5_files import t5_tokenizer, t5_words

END = 49407
TRICKY = (
    *("a photo of a cat", "it's they'll WE'RE i'd", "1234 5 x2", "<|endoftext|> and <|startoftext|>", "</w> a</w>"),
    *("über naïve CAFÉ e\u0301", "日本の猫", "🍎👩‍👩‍👧", "İıſK ẞ", "a\u00a0b\u2003c\u200bd", "\x00\x07", "ﬁ ½ Ⅷ ①"),
    *("((a:1.2)), [b|c]", "__init__", "a" * 300, "  lead and trail  ", "\t\n\r", "▁ under▁score"),
    *("<extra_id_7> </s> <pad>", "don't", "3.14"),
)
words = st.sampled_from(TRICKY) | st.text(max_size=40) | st.text("abcdeé'’ ,.123-<|>_▁\n", max_size=40)
texts = st.lists(words, max_size=4).map(" ".join)


@pytest.fixture(scope="module")
def files(shared, tmp_path_factory):
    """A folder of each kind, made of the published files."""
    source = shared / "fixtures" / "tokenizers"
    if not source.is_dir():
        pytest.skip("the published tokenizers are not in the folder 'shared'")
    folder = tmp_path_factory.mktemp("tokenizers")
    clip, t5 = folder / "clip", folder / "t5"
    clip.mkdir(), t5.mkdir()
    packed = source / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode().split("\n")[: 1 + MERGES]
    (clip / "merges.txt").write_text("\n".join(["#version: 0.2", *lines[1:], ""]), encoding="utf-8")
    whole = clip_words(packed).tokenizer
    (clip / "vocab.json").write_text(json.dumps(whole.get_vocab()), encoding="utf-8")
    (t5 / "tokenizer.json").write_bytes((source / "t5_tokenizer.json").read_bytes())
    return {"packed": packed, "clip": clip, "t5": t5, "spiece": source / "t5_spiece.model", "source": source}


@pytest.fixture(scope="module")
def clips(files):
    """Our tokenizer from each kind of file, and theirs."""
    transformers = pytest.importorskip("transformers", reason="transformers, the library compared with, is missing")
    vocabulary, merges = files["clip"] / "vocab.json", files["clip"] / "merges.txt"
    theirs = transformers.CLIPTokenizer.from_pretrained(files["clip"])
    assert theirs("a")["input_ids"] == [END - 1, 320, END]
    theirs.save_pretrained(files["clip"].with_name("saved"))
    places = (files["packed"], vocabulary, merges, files["clip"], files["clip"].with_name("saved"))
    return [clip_words(place) for place in places], theirs


@pytest.fixture(scope="module")
def t5s(files):
    transformers = pytest.importorskip("transformers", reason="transformers, the library compared with, is missing")
    theirs = transformers.T5Tokenizer.from_pretrained(files["t5"])
    return [t5_words(files["t5"]), t5_words(files["t5"] / "tokenizer.json"), t5_words(files["spiece"])], theirs


@given(texts)
@settings(max_examples=400)
def test_clip_s_tokens_are_transformers(clips, text):
    ours, theirs = clips
    expected = theirs(text)["input_ids"]
    for words in ours:
        assert [words.begin, *words.ids(text), words.end] == expected


@given(texts)
@settings(max_examples=400)
def test_t5_s_tokens_are_transformers(t5s, text):
    ours, theirs = t5s
    expected = theirs(text)["input_ids"]
    for words in ours:
        assert [*words.ids(text), words.end] == expected


@given(texts)
@settings(max_examples=100)
def test_a_window_is_transformers_padded_and_cut(clips, text):
    """What goes beyond a window is in the next one, where transformers drops it."""
    ours, theirs = clips
    first = theirs(text, padding="max_length", max_length=77, truncation=True)["input_ids"]
    rows = ours[0].windows(text, 77)
    assert rows[0] == first and all(len(row) == 77 for row in rows)
    inner = [i for row in rows for i in row[1 : row.index(END)]]
    if END not in ours[0].ids(text):
        assert inner == ours[0].ids(text)


def test_the_published_tokens(files):
    cases = json.loads((files["source"] / "expected_ids.json").read_text())["cases"]
    clip = clip_words(files["packed"])
    for case in cases:
        for t5 in (t5_words(files["t5"]), t5_words(files["spiece"])):
            assert [*t5.ids(case["text"]), 1] == case["t5"]
        # OpenAI's own resolves HTML first; transformers, whose pictures people compare with, does not.
        if "&amp;" not in case["text"]:
            assert clip.ids(case["text"]) == case["clip"]


@pytest.mark.parametrize("said", ["!", {"content": "!", "lstrip": False}, "<|endoftext|>", None])
def test_padding_is_the_folder_s_own_or_the_model_s(files, tmp_path, said):
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).write_bytes((files["clip"] / name).read_bytes())
    if said is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"pad_token": said}))
    mark = said["content"] if isinstance(said, dict) else said
    assert clip_words(tmp_path, "!").pad == (END if mark == "<|endoftext|>" else 0)
    assert clip_words(tmp_path).pad == (0 if mark == "!" else END)
    assert clip_words(tmp_path, "!").windows("", 4)[0][:2] == [END - 1, END]


def test_the_same_file_is_in_memory_once_and_another_in_its_place_is_read(files, tmp_path):
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).write_bytes((files["clip"] / name).read_bytes())
    words = clip_words(files["clip"])
    assert clip_words(tmp_path, "!").tokenizer is words.tokenizer
    merges = (tmp_path / "merges.txt").read_text(encoding="utf-8").splitlines()
    (tmp_path / "merges.txt").write_text("\n".join(merges[:100]), encoding="utf-8")
    assert clip_words(tmp_path).ids("photo") != words.ids("photo")


def test_learnt_words_have_their_own_tokens(files):
    words = clip_words(files["packed"]).knowing("<cat-toy>", [49408]).knowing("easynegative", [49409, 49410])
    a, photo = words.ids("a"), words.ids("photo of")
    assert words.ids("a photo of a<cat-toy>") == [*a, *photo, *a, 49408]
    assert words.ids("photo of, EasyNegative") == [*photo, *words.ids(","), 49409, 49410]
    assert 49409 not in words.ids("uneasynegative easynegatives")


def damaged(path):
    for read in (clip_words, t5_words):
        with pytest.raises(Refused, match="tokenizer"):
            read(path)


def test_damaged_files_are_refused(files, tmp_path):
    damaged(tmp_path)  # a folder without one
    damaged(tmp_path / "none.json")
    for name, content in {
        "a.json": b"{}",
        "b.json": b"\xff\xfe",
        "c.json": b"[" * 100_000,
        "d.txt.gz": files["packed"].read_bytes()[:5000],
        "e.model": files["spiece"].read_bytes()[:5000],
        "f.model": b"\xff" * 40,
        "vocab.json": b'{"a": "b"}',
        "merges.txt": b"a b c\n",
    }.items():
        (tmp_path / name).write_bytes(content)
        damaged(tmp_path / name)


@given(st.data())
@settings(max_examples=150)
def test_a_damaged_sentencepiece_model_is_read_or_refused(files, data):
    content = bytearray(files["spiece"].read_bytes()[:400])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        t5_tokenizer(bytes(content), files["spiece"]).encode("a text")
    except Refused as error:
        assert "tokenizer" in str(error) and "\n" not in str(error)
