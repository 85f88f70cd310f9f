"""A stranger's tokenizer is read as it is meant, or refused in one line, before the library does what it says."""

import json
import struct
from base64 import b64encode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from building import CAPTIONS
from unnoise.core.error import Refused
from unnoise.text import _stranger as stranger
from unnoise.text._stranger import encoded, read_tokenizer
from unnoise.text._vocabulary import learn

BPE = json.loads(learn(CAPTIONS, 300))
PIECES = [[piece, -float(i)] for i, piece in enumerate(("<pad>", "</s>", "<unk>", "▁", "a", "b"))]
UNIGRAM = BPE | {
    "model": {"unk_id": 2, "vocab": PIECES},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "str_rep": "▁", "add_prefix_space": True},
}
PADDING = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "!"}
FIXED = PADDING | {"strategy": {"Fixed": 300_000_000}}
LONG = PADDING | {"strategy": "BatchLongest", "pad_to_multiple_of": 200_000_000}
CUT = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 2}
THRICE = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 3, "pair": []}


def read(said):
    return read_tokenizer(json.dumps(said), "x.json")


def replaced(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


def sequence(*steps):
    return {"type": "Sequence", "normalizers": list(steps)}


def table(*units, texts=b"fi\0", size=None):
    """A table of characters, its trie filled up with ways that lead nowhere."""
    trie = [*units, *[1 << 31] * (256 - len(units))]
    data = struct.pack(f"<I{len(trie)}I", 4 * len(trie) if size is None else size, *trie) + texts
    return {"type": "Precompiled", "precompiled_charsmap": b64encode(data).decode()}


@pytest.mark.parametrize("said", [BPE, UNIGRAM], ids=["BPE", "Unigram"])
@pytest.mark.parametrize("extra", [{"padding": FIXED}, {"padding": LONG}, {"truncation": CUT}], ids=str)
def test_what_fills_up_cuts_and_frames_rows_is_left_out(said, extra):
    for more in (extra, extra | {"post_processor": THRICE}):
        made = read(said | more)
        assert encoded(made, "a red b") == encoded(Tokenizer.from_str(json.dumps(said)), "a red b") != []


MODEL = BPE["model"]
STEPS = {
    "a text that grows without end": sequence(*[replaced({"String": "a"}, "a" * 300)] * 3),
    "growth letter by letter": sequence(*[replaced({"Regex": ""}, "b")] * 11),
    "growth of decomposed signs": sequence(*[{"type": "NFKD"}, replaced({"Regex": "."}, "ﷺ")] * 8),
    "a text put before": {"type": "Prepend", "prepend": "a" * 2**20},
    "steps without end": sequence(*[{"type": "Strip"}] * 1000),
    "a pattern without end": replaced({"String": "a" * 2**20}, ""),
    "a pattern that is none": replaced({"Regex": "("}, ""),
    "an unknown step": {"type": "Magic"},
    "a step of no type": {"lowercase": True},
    "a list": ["NFC"],
    "no characters": {"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="},
    "characters cut short": {"type": "Precompiled", "precompiled_charsmap": "/////w=="},
    "characters that are no base64": {"type": "Precompiled", "precompiled_charsmap": "?"},
    "characters of a trie beyond the table": table(size=2**20),
    "a trie that leads out": table(1 << 30),
    "a trie's beginning that leads out": table(3 << 30),
    "a character that becomes nothing there": table(0, 1 | 1 << 8 | 2 << 10, 0, 1 << 31 | 99),
    "half a letter": table(0, 1 | 1 << 8 | 2 << 10, 0, 1 << 31 | 1, texts="é\0".encode()),
    "a character that becomes a book": table(0, texts=b"a" * 5000 + b"\0"),
    "texts that are none": table(0, texts=b"\xff\xfe"),
}
MODELS = {
    "an unknown token that is not there": MODEL | {"unk_token": "nothere"},
    "an unknown token that is a table": MODEL | {"unk_token": {}},
    "of whole words": {"type": "WordLevel", "unk_token": "zz", "vocab": {"b": 0}},
    "of pieces of words": {"type": "WordPiece", "unk_token": "zz", "vocab": {"a": 0}, "max_input_chars_per_word": 100},
    "of another type": MODEL | {"type": "Unigram"},
    "Unigram without an unknown token": {"type": "Unigram", "unk_id": None, "vocab": [["a", 0.0]]},
    "Unigram with one beyond": {"type": "Unigram", "unk_id": 7, "vocab": [["a", 0.0]]},
    "Unigram of nothing": {"type": "Unigram", "unk_id": 0, "vocab": []},
    "a token without end": {"type": "Unigram", "unk_id": 0, "vocab": [["a" * 2000, 0.0]]},
    "merges of no tokens": MODEL | {"merges": [["zq", "qz"]]},
    "a prefix longer than tokens": MODEL | {"continuing_subword_prefix": "#" * 99},
    "a suffix without end": MODEL | {"end_of_word_suffix": "x" * 2**20},
    "dropout": MODEL | {"dropout": 0.5},
    "a list": [],
    "nothing": None,
    "no vocabulary": {"merges": []},
    "tokens that are no numbers": MODEL | {"vocab": {"a": "b"}, "merges": []},
    "a number beyond all": MODEL | {"vocab": {"a": 2**40}, "merges": []},
}
OTHERS = {
    "a mark of spaces without end": {"pre_tokenizer": UNIGRAM["pre_tokenizer"] | {"replacement": "▁" * 2**16}},
    "pre-tokenizers that grow": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [BPE["pre_tokenizer"]] * 9}},
    "tokens beside without end": {"added_tokens": [BPE["added_tokens"][0] | {"content": "a" * 2**16}]},
    "a token beside of no content": {"added_tokens": [{}]},
}
CASES = (
    {f"step: {name}": {"normalizer": said} for name, said in STEPS.items()}
    | {f"model: {name}": {"model": said} for name, said in MODELS.items()}
    | OTHERS
)


@pytest.mark.parametrize("case", CASES)
def test_what_is_damaged_or_grows_without_end_is_refused_in_one_line(case, capfd):
    with pytest.raises(Refused, match="is no whole tokenizer") as refused:
        read(BPE | CASES[case])
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 250
    assert capfd.readouterr().err == ""  # where the library says that it panics


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", "[" * 100_000, '{"model": NaN}', "\udcff"])
def test_what_is_no_table_is_refused(text):
    with pytest.raises(Refused, match="no whole tokenizer"):
        read_tokenizer(text, "x.json")


def test_a_tokenizer_that_fails_in_use_is_refused():
    made = Tokenizer(models.WordLevel({"b": 0}, "zz"))
    with pytest.raises(Refused, match="tokenizer is damaged"):
        encoded(made, "a")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_whoever_stops_it_is_heard(monkeypatch, kind):
    def stopped(_):
        raise kind

    monkeypatch.setattr(stranger, "_model", stopped)
    with pytest.raises(kind):
        read(BPE)


def test_characters_that_are_written_alike_are_read():
    """One that only says "a becomes fi"."""
    units = [0] * 256
    root, a = 0, ord("a")
    units[root] = 0
    units[a] = a | 1 << 8 | (a ^ 3) << 10  # its leaf is at 3
    units[3] = 1 << 31
    said = BPE | {"normalizer": table(*units)}
    assert read(said).normalizer.normalize_str("ab") == "fib"


ANY = st.none() | st.booleans() | st.integers(-3, 2**33) | st.text(max_size=5) | st.just([]) | st.just({})


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_statement_is_read_or_refused(data):
    said = json.loads(json.dumps(data.draw(st.sampled_from((BPE, UNIGRAM)))))
    place = said
    while True:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(ANY)
    try:
        encoded(read(said), data.draw(st.text(max_size=20)))
    except Refused as refused:
        assert "\n" not in str(refused)
