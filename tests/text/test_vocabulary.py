"""The learnt tokenizer: every text has tokens, and gives itself back."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from building import CAPTIONS
from unnoise.text._vocabulary import BEGIN, END, PAD, learn

TOKENIZER = Tokenizer.from_str(learn(CAPTIONS, 300))


def test_it_is_no_larger_than_asked_and_knows_its_marks():
    assert 256 + 3 < TOKENIZER.get_vocab_size() <= 300
    assert [TOKENIZER.id_to_token(i) for i in (PAD, BEGIN, END)] == ["<pad>", "<begin>", "<end>"]


def test_the_same_captions_make_the_same_tokenizer():
    assert learn(CAPTIONS, 300) == learn(iter(CAPTIONS), 300)


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_every_text_has_tokens(text):
    assert bool(TOKENIZER.encode(text, add_special_tokens=False).ids) == bool(text)


@given(st.from_regex(r"[a-z]{1,8}( [a-z]{1,8}){0,4}", fullmatch=True))
@settings(max_examples=50, deadline=None)
def test_lower_case_text_comes_back_and_case_does_not_count(text):
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    assert TOKENIZER.decode(ids).strip() == text
    assert TOKENIZER.encode(text.upper(), add_special_tokens=False).ids == ids


def test_words_that_were_learnt_are_short():
    assert len(TOKENIZER.encode("the", add_special_tokens=False).ids) < len("the")
