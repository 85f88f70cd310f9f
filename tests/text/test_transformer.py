"""The text conditioner: no word is dropped, padding counts for nothing, and a batch is its parts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from building import reader, stirred
from unnoise.core.model import Wish
from unnoise.networks.dit import DiT, DiTCondition
from unnoise.text import CONDITIONERS
from unnoise.text._vocabulary import BEGIN, END, PAD
from unnoise.text.transformer import TransformerConditioner

READER = stirred(reader(DiTCondition)).eval()
LONG = "a red fox and a blue bird in the snow with two green apples under the old oak tree"
WORDS = ["red", "blue", "fox", "bird", "snow", "apple", "tree", "zq", "!", "<pad>", "<end>"]
words = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)


def wished(*prompts):
    return READER.prepare([Wish(p) for p in prompts])


@torch.no_grad()
def read(*prompts):
    return READER(wished(*prompts))


@given(st.lists(words, min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_shapes_and_which_tokens_count(prompts):
    tokens = wished(*prompts)
    batch, length = tokens.ids.shape
    assert batch == len(prompts) and length % 8 == 0 and torch.equal(tokens.mask, tokens.ids != PAD)
    assert tokens.mask.sum(1).tolist() == [sum(i != PAD for i in wished(p).ids[0].tolist()) for p in prompts]
    with torch.no_grad():
        condition = READER(tokens)
    assert condition.context.shape == (batch, length, 16) and condition.pooled.shape == (batch, 16)
    assert torch.isfinite(condition.context).all() and torch.isfinite(condition.pooled).all()


@given(words)
@settings(max_examples=40, deadline=None)
def test_every_token_of_a_prompt_is_there_in_order(prompt):
    plain = READER.tokenizer.encode(prompt, add_special_tokens=False).ids
    assert [i for i in wished(prompt).ids[0].tolist() if i not in (PAD, BEGIN, END)] == plain
    assert READER.tokenizer.decode(plain).strip() == prompt
    assert READER.count(prompt) >= len(plain) + 2


def test_each_window_has_its_marks():
    ids = wished(LONG).ids.view(-1, 8)
    assert len(ids) > 2
    for row in ids.tolist():
        kept = [i for i in row if i != PAD]
        assert kept[0] == BEGIN and kept[-1] == END and row[: len(kept)] == kept


@pytest.mark.parametrize("prompt", ["a red fox", LONG])
@torch.no_grad()
def test_the_last_word_counts_however_long_the_prompt(prompt):
    condition, other = read(prompt), read(prompt.rsplit(" ", 1)[0] + " whale")
    assert (condition.pooled - other.pooled).abs().max() > 1e-4


@given(words, words)
@settings(max_examples=30, deadline=None)
def test_a_prompt_reads_the_same_beside_another(first, second):
    both, alone = read(first, second), read(first)
    counted = wished(first).mask[0]
    length = len(counted)
    assert torch.allclose(both.pooled[:1], alone.pooled, atol=1e-5)
    assert torch.allclose(both.context[0, :length][counted], alone.context[0][counted], atol=1e-5)


@torch.no_grad()
def test_what_stands_in_the_padding_is_not_read():
    tokens = wished("fox", "a blue bird")
    changed = tokens._replace(ids=torch.where(tokens.mask, tokens.ids, 77))
    counted = tokens.mask[..., None]
    first, second = READER(tokens), READER(changed)
    assert torch.equal(first.pooled, second.pooled)
    assert torch.equal(first.context * counted, second.context * counted)


@torch.no_grad()
def test_order_of_words_matters():
    assert (read("red fox blue bird").pooled - read("blue fox red bird").pooled).abs().max() > 1e-4


def test_gradient_reaches_every_parameter():
    made = stirred(reader(DiT.Condition)).train()
    condition = made(made.prepare([Wish(LONG), Wish("fox")]))
    ((condition.context * condition.mask[..., None]).square().sum() + condition.pooled.sum()).backward()
    assert [n for n, p in made.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@torch.no_grad()
def test_in_bfloat16_it_stays_in_it():
    made = reader(DiT.Condition).to(torch.bfloat16)
    condition = made(made.prepare([Wish("a red fox"), Wish("")]))
    assert condition.context.dtype == condition.pooled.dtype == torch.bfloat16
    assert condition.mask.dtype == torch.bool and torch.isfinite(condition.pooled).all()


def test_it_is_built_without_memory_and_known_by_name():
    with torch.device("meta"):
        made = TransformerConditioner(READER.config, READER.vocabulary, DiTCondition)
    assert {p.device.type for p in made.parameters()} == {"meta"}
    assert torch.equal(made.prepare([Wish("fox")]).ids, wished("fox").ids)
    assert CONDITIONERS["transformer"] is TransformerConditioner
