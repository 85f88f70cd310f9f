"""Conditioners of large text encoders: no word is dropped, a batch is its parts, learnt words leave no trace."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.networks.ldm_unet import LDMUNetCondition
from unnoise.networks.t5 import T5, T5Config
from unnoise.text._encode import CLIP, T5Text, in_line, in_windows
from unnoise.text._words import Words
from unnoise.text.clip import CLIPConditioner
from unnoise.text.flux import FluxConditioner
from unnoise.text.sd3 import SD3Conditioner, SD3Config, SD3Texts
from unnoise.text.sdxl import SDXLConditioner, SDXLConfig

WINDOW, STEP = 8, 4
VOCABULARY = {"<begin>": 0, "<pad>": 1, "<unk>": 2} | {word: 3 + i for i, word in enumerate("abcdefghij")}
BEGIN, END, PAD = 0, 13, 1


@dataclass
class Made:
    """What a conditioner makes, whatever its network."""

    context: torch.Tensor
    pooled: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    guidance: torch.Tensor | None = None


def words(begin):
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return Words(tokenizer, begin, END, PAD)


def clip(width, projection=0):
    torch.manual_seed(width)
    sizes = {"width": width, "hidden": width, "depth": 2, "heads": 1, "vocabulary": 14, "positions": WINDOW}
    return CLIP(CLIPText(CLIPTextConfig(**sizes, end=END, projection=projection)).eval(), words(BEGIN))


def t5():
    torch.manual_seed(5)
    sizes = {"vocabulary": 14, "width": 24, "depth": 1, "heads": 2, "head_width": 4, "hidden": 16}
    return T5Text(T5(T5Config(**sizes)).eval(), words(None))


SD3 = SD3Config(width=24, large=8, gigantic=12, window=WINDOW, tokens=STEP)
CONDITIONERS = {
    "sd1": CLIPConditioner(clip(8), Made),
    "sdxl": SDXLConditioner(clip(8), clip(12, 10), Made, SDXLConfig(frequencies=4)),
    "refiner": SDXLConditioner(None, clip(12, 10), Made, SDXLConfig(zero=False, aesthetic=True, frequencies=4)),
    "sd3": SD3Conditioner(SD3Texts(clip(8, 8), clip(12, 12), t5()), Made, SD3),
    "flux": FluxConditioner(clip(8), t5(), Made, tokens=STEP, guidance=3.5),
}
every = pytest.mark.parametrize("conditioner", CONDITIONERS.values(), ids=CONDITIONERS)
prompts = st.lists(st.sampled_from("abcdefghij"), max_size=20).map(" ".join)


def made(conditioner, *wishes):
    with torch.no_grad():
        return conditioner(conditioner.prepare(wishes))


@given(st.lists(prompts, min_size=1, max_size=3))
def test_every_word_is_in_a_window_in_order(texts):
    tokens = in_windows(words(BEGIN), [Wish(text) for text in texts], WINDOW)
    assert tokens.ids.shape == (len(texts), max(tokens.lengths))
    for row, own, text in zip(tokens.ids, tokens.lengths, texts, strict=True):
        windows = row[:own].reshape(-1, WINDOW).tolist()
        assert all(window[0] == BEGIN and END in window for window in windows)
        inner = [i for window in windows for i in window[1 : window.index(END)]]
        assert inner == [VOCABULARY[word] for word in text.split()]
        assert len(windows) == max(1, -(-len(inner) // (WINDOW - 2)))


@given(prompts)
def test_a_line_is_the_text_its_end_and_padding(text):
    row = in_line(words(None), [Wish(text)], STEP).ids[0].tolist()
    ids = [VOCABULARY[word] for word in text.split()]
    assert len(row) % STEP == 0 and row[: len(ids) + 1] == [*ids, END] and set(row[len(ids) + 1 :]) <= {PAD}
    assert len(row) - len(ids) - 1 < STEP


@every
@given(st.lists(prompts, min_size=2, max_size=3))
@settings(max_examples=15)
def test_a_batch_is_its_parts(conditioner, texts):
    """Each prompt is read as if alone; what is behind its own tokens does not count."""
    whole = made(conditioner, *map(Wish, texts))
    for i, text in enumerate(texts):
        alone = made(conditioner, Wish(text))
        counts = torch.ones_like(alone.context[..., 0], dtype=torch.bool) if alone.mask is None else alone.mask
        mine = torch.ones(whole.context.shape[1], dtype=torch.bool) if whole.mask is None else whole.mask[i]
        torch.testing.assert_close(whole.context[i][mine], alone.context[counts], atol=1e-5, rtol=1e-5)
        assert not whole.context[i][~mine].any()
        for name in ("pooled", "guidance"):
            if getattr(alone, name) is not None:
                torch.testing.assert_close(getattr(whole, name)[i : i + 1], getattr(alone, name), atol=1e-5, rtol=1e-5)


@every
def test_words_far_behind_still_count(conditioner):
    text = "a b c d e f g h i j " * 2
    assert not torch.allclose(made(conditioner, Wish(text + "a")).context, made(conditioner, Wish(text + "b")).context)


def test_a_long_prompt_meets_a_short_one_in_a_batch():
    conditioner = CLIPConditioner(clip(8), LDMUNetCondition)
    short, long = made(conditioner, Wish("a")), made(conditioner, Wish("a b c d e f g h"))
    assert short.mask is None and long.context.shape[1] == 2 * WINDOW
    both = short.cat(long)
    assert both.mask.sum(1).tolist() == [WINDOW, 2 * WINDOW]
    torch.testing.assert_close(both.context[:1, :WINDOW], short.context)


def test_sizes_and_scores_are_told():
    base, refiner = CONDITIONERS["sdxl"], CONDITIONERS["refiner"]
    assert base.prepare([Wish("a", 30, 20)]).sizes.tolist() == [[20, 30, 0, 0, 20, 30]]
    assert base.prepare([Wish("a")]).sizes.tolist() == [[1024, 1024, 0, 0, 1024, 1024]]
    assert refiner.prepare([Wish("a", 30, 20)]).sizes.tolist() == [[20, 30, 0, 0, 6.0]]
    assert refiner.prepare([Wish("a", 30, 20, negative=True)]).sizes.tolist() == [[20, 30, 0, 0, 2.5]]


def test_only_an_empty_negative_prompt_is_zeros():
    base = CONDITIONERS["sdxl"]
    empty = made(base, Wish("", negative=True))
    assert not empty.context.any() and not empty.pooled[:, :10].any() and empty.pooled[:, 10:].any()
    for wish in (Wish(""), Wish("a", negative=True)):
        assert made(base, wish).context.any() and made(base, wish).pooled[:, :10].any()


@pytest.mark.parametrize("missing", ["large", "gigantic", "t5"])
def test_a_missing_encoder_of_sd3_is_zeros(missing):
    texts = SD3Texts(clip(8, 8), clip(12, 12), t5())
    whole, part = (SD3Conditioner(t, Made, SD3) for t in (texts, texts._replace(**{missing: None})))
    found, expected = made(part, Wish("a b")), made(whole, Wish("a b"))
    assert found.context.shape == expected.context.shape and found.pooled.shape == expected.pooled.shape
    rows, columns = (
        (slice(WINDOW, None), slice(None))
        if missing == "t5"
        else (
            slice(0, WINDOW),
            slice(0, 8) if missing == "large" else slice(8, 20),
        )
    )
    assert not found.context[:, rows, columns].any() and expected.context[:, rows, columns].any()
    kept = expected.context.clone()
    kept[:, rows, columns] = 0
    torch.testing.assert_close(found.context, kept)


def test_sd3_without_any_encoder_is_refused():
    with pytest.raises(Refused, match="no text encoder"):
        SD3Conditioner(SD3Texts(), Made)


def test_guidance_is_the_wish_s_or_the_model_s():
    asked = made(CONDITIONERS["flux"], Wish("a", guidance=2.0), Wish("a"))
    assert asked.guidance.tolist() == [2.0, 3.5]
    assert made(FluxConditioner(clip(8), t5(), Made, STEP), Wish("a", guidance=2.0)).guidance is None


@every
def test_learnt_words_are_read_and_leave_no_trace(conditioner):
    before = made(conditioner, Wish("a newt b")), dict(conditioner.state_dict())
    vectors = [torch.randn(2, width) for width in conditioner.widths]
    knows = conditioner.with_vectors(["newt", "<newt>"], vectors)
    after = made(conditioner, Wish("a newt b"))
    assert torch.equal(before[0].context, after.context) and before[1].keys() == conditioner.state_dict().keys()
    assert torch.equal(made(knows, Wish("a b")).context, made(conditioner, Wish("a b")).context)
    found = made(knows, Wish("a newt b"))
    assert torch.equal(found.context, made(knows, Wish("a <newt> b")).context)
    assert not torch.equal(found.context, after.context)
    more = knows.with_vectors(["more"], [torch.randn(1, width) for width in conditioner.widths])
    assert torch.equal(made(more, Wish("a newt b")).context, found.context)
    assert not torch.equal(made(more, Wish("a more b")).context, made(knows, Wish("a more b")).context)


def test_a_learnt_word_stands_for_its_vectors():
    """Vectors that the table has already, so that the result is known."""
    text = clip(8)
    known = CLIPConditioner(text, Made)
    table = text.encoder.embeddings.token_embedding.weight.detach()
    knows = known.with_vectors(["newt"], [table[[VOCABULARY["c"], VOCABULARY["d"]]]])
    torch.testing.assert_close(made(knows, Wish("a newt")).context, made(known, Wish("a c d")).context)


def test_the_longest_learnt_word_is_meant():
    known = words(None).knowing("cat", [20]).knowing("cat toy", [21]).knowing("toy", [22])
    assert known.ids("a cat toy") == [VOCABULARY["a"], 21]
    assert known.ids("cat a TOY cats") == [20, VOCABULARY["a"], 22, 2]
