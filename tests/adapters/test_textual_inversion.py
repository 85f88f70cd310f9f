"""Learnt words are read from every form they come in, go to the encoder they are for, or are refused by name."""

from dataclasses import replace

import pytest
import torch

from adapters.small import model, write
from unnoise.adapters.textual_inversion import Embedding, embedded, read
from unnoise.core.error import Refused

ONE, TWO, WIDE = torch.randn(768), torch.randn(2, 768), torch.randn(2, 1280)


def saved(path, value):
    torch.save(value, path)
    return path


def a1111(tensor, **more):
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": tensor}, "name": "newt", "step": 500, **more}


FORMS = {
    "AUTOMATIC1111's .pt": (lambda p: saved(p / "my.pt", a1111(TWO, sd_checkpoint=None)), ("my", "newt"), {"": TWO}),
    "with a parameter": (
        lambda p: saved(p / "my.pt", a1111(torch.nn.ParameterDict({"*": torch.nn.Parameter(TWO)})["*"])),
        ("my", "newt"),
        {"": TWO},
    ),
    "AUTOMATIC1111's safetensors": (lambda p: write(p, {"emb_params": TWO}, "my"), ("my",), {"": TWO}),
    "diffusers' .bin": (lambda p: saved(p / "my.bin", {"<newt>": ONE}), ("my", "<newt>"), {"": ONE[None]}),
    "diffusers' safetensors": (lambda p: write(p, {"<newt>": TWO}, "my"), ("my", "<newt>"), {"": TWO}),
    "SDXL's safetensors": (
        lambda p: write(p, {"clip_l": TWO, "clip_g": WIDE}, "my"),
        ("my",),
        {"clip_l": TWO, "clip_g": WIDE},
    ),
    "SDXL's .pt": (
        lambda p: saved(p / "my.pt", {"clip_l": TWO, "clip_g": WIDE}),
        ("my",),
        {"clip_l": TWO, "clip_g": WIDE},
    ),
    "half precision": (lambda p: write(p, {"emb_params": TWO.half()}, "my"), ("my",), {"": TWO.half().float()}),
}


@pytest.mark.parametrize("form", FORMS)
def test_read(form, tmp_path):
    make, words, vectors = FORMS[form]
    path = make(tmp_path)
    found = read(path)
    assert found.words == words and found.vectors.keys() == vectors.keys()
    assert all(torch.equal(found.vectors[k], vectors[k]) for k in vectors)
    assert found.files.keys() == {path.name}
    assert read(path, "other").words == ("other", *words[1:])


REAL = {
    "birb_learned_embeds.bin": ("<birb-style>", 1),
    "cat-toy_learned_embeds.bin": ("<cat-toy>", 1),
    "test_embedding.safetensors": ("test_embedding", 5),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(shared, name):
    word, count = REAL[name]
    found = read(shared / "fixtures" / "embeddings" / name)
    assert word in found.words and found.vectors[""].shape == (count, 768) and found.vectors[""].any()


HOSTILE = {
    "NaN": ({"emb_params": torch.full((1, 768), torch.nan)}, "not finite"),
    "too many": ({"emb_params": torch.ones(76, 8)}, "1 to 75 vectors"),
    "none": ({"emb_params": torch.ones(0, 8)}, "1 to 75 vectors"),
    "of no width": ({"emb_params": torch.ones(3, 0)}, "1 to 75 vectors"),
    "of three axes": ({"emb_params": torch.ones(1, 2, 8)}, "1 to 75 vectors"),
    "whole numbers": ({"emb_params": torch.ones(1, 8, dtype=torch.int64)}, "1 to 75 vectors"),
    "two words": ({"<a>": ONE, "<b>": ONE.clone()}, "no embedding"),
    "a LoRA": ({"a.lora_down.weight": torch.ones(4, 8), "a.lora_up.weight": torch.ones(8, 4)}, "no embedding"),
    "more for one encoder": ({"clip_l": TWO, "clip_g": torch.ones(3, 1280)}, "more vectors for one"),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_refused_by_name(case, form, tmp_path):
    tensors, said = HOSTILE[case]
    path = write(tmp_path, tensors, "my") if form == "safetensors" else saved(tmp_path / "my.pt", tensors)
    with pytest.raises(Refused, match=said) as refused:
        read(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [[1, 2], {"string_to_param": {}}, {"string_to_param": 3}, {1: ONE}, "text", ONE])
def test_torch_files_of_something_else(value, tmp_path):
    with pytest.raises(Refused):
        read(saved(tmp_path / "my.pt", value))


def test_what_would_run_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    with pytest.raises(Refused):
        read(saved(tmp_path / "my.pt", {"<a>": Bomb()}))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("word", [" ", "x" * 201])
def test_a_word_that_no_prompt_can_hold_is_called_by_the_files_name(word, tmp_path):
    assert read(saved(tmp_path / "my.bin", {word: ONE})).words == ("my",)


class Learner(torch.nn.Module):
    """A conditioner that learns words."""

    def __init__(self, widths, learnt=()):
        super().__init__()
        self.widths, self.learnt = widths, learnt

    def with_vectors(self, words, vectors):
        return Learner(self.widths, (*self.learnt, (words, [tuple(v.shape) for v in vectors])))


def test_each_encoder_gets_its_own():
    xl = replace(model(), conditioner=Learner([768, 1280]))
    made = embedded(
        xl, [Embedding(("newt",), {"clip_g": WIDE, "clip_l": TWO}), Embedding(("owl",), {"a": TWO, "b": WIDE})]
    )
    assert made.conditioner.learnt == ((("newt",), [(2, 768), (2, 1280)]), (("owl",), [(2, 768), (2, 1280)]))
    assert xl.conditioner.learnt == ()


def test_words_for_another_model_are_refused():
    xl = replace(model(), conditioner=Learner([768, 1280]))
    with pytest.raises(Refused, match="another kind of model"):
        embedded(xl, [Embedding(("newt",), {"": TWO})])
    with pytest.raises(Refused, match="two embeddings"):
        embedded(xl, [Embedding(("Newt",), {"clip_l": TWO, "clip_g": WIDE}), Embedding(("newt",), {"": TWO})])
    with pytest.raises(Refused, match="learns no words"):
        embedded(model(), [Embedding(("newt",), {"": TWO})])
