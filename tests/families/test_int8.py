"""Published models whose blocks are int8: near the same picture, in less memory, which is foretold."""

import pytest
import torch

pytest.importorskip("torchao")

from families.whole import FAMILIES, single, tokenizers
from unnoise import Generate, Result, library, load
from unnoise.catalogue import place, reading, recognise
from unnoise.cli._cost import cost
from unnoise.cli._memory import memory
from unnoise.cli._sketch import Sketch
from unnoise.core.error import Refused
from unnoise.families._converted import convert
from unnoise.families._folder import read_source
from unnoise.families._located import locate
from unnoise.families._parts import held
from unnoise.nn.int8 import multiplied
from unnoise.weights.int8 import chosen, size, stated


@pytest.fixture(scope="module", params=FAMILIES)
def there(request, tmp_path_factory):
    """A single file in float16 of a kind of model, and its tokenizers."""
    folder = tmp_path_factory.mktemp("int8")
    words = [str(path) for path in tokenizers(folder / "words")]
    return single(request.param, folder / "model.safetensors", torch.float16), words


def read(there, dtype, room=None):
    path, words = there
    return load(str(path), "cpu", dtype, {"tokenizer": words}, memory=room)


def ask(model):
    guided = {"guidance": 3.0, "negative": "xyz"} if model.description.guidance == "free" else {}
    return Generate(prompt="a fox", model="m", width=16, height=32, steps=2, seed=1, **guided)


def latent(model):
    return next(e.latent for e in ask(model).run(library({"m": model})) if isinstance(e, Result))


def test_it_makes_nearly_the_same_and_nothing_but_its_blocks_is_int8(there):
    plain, whole = read(there, "float32"), read(there, "int8")
    expected, made = latent(plain), latent(whole)
    most = 0.1 if multiplied(torch.device("cpu")) else 0.05  # inputs are int8, too, where that is quick
    assert 0 < (made - expected).norm() < most * expected.norm()
    network = whole.denoiser.network
    assert {n for n, p in network.named_parameters() if hasattr(p, "qdata")} == chosen(network)
    assert stated(network) == "int8"
    others = [p for part in (whole.codec, whole.conditioner) for p in part.parameters()]
    assert others and not any(hasattr(p, "qdata") for p in others)


def test_memory_that_is_enough_changes_nothing_and_less_is_refused(there):
    whole = read(there, "int8")
    assert torch.equal(latent(read(there, "int8", "64MB")), latent(whole))
    with pytest.raises(Refused, match=r"in int8 the network takes .* leave --dtype int8 out"):
        read(there, "int8", 2000)


def test_a_plan_tells_what_the_weights_take(there):
    path, words = there
    shelf = library({"m": str(path)}, "cpu", "int8", reading=reading({"tokenizer": words}))
    where = place("cpu", "int8")
    task = ask(shelf.model("m"))
    plan, sketch = task.plan(shelf.describe("m")), Sketch(shelf, str(where.dtype).removeprefix("torch."))
    found = memory(plan, "m", sketch, cost(plan, "m", sketch, "cpu"), where)
    network = shelf.model("m").denoiser.network
    quantised = sum(size(network.get_parameter(name).shape) for name in chosen(network))
    parts = [network, shelf.model("m").codec, shelf.model("m").conditioner]
    named = [(n, p) for part in parts for n, p in part.named_parameters() if not hasattr(p, "qdata")]
    placed = sum(p.nbytes for _, p in named if p.dtype == where.dtype)
    joined = sum(p.nbytes for n, p in named if p.dtype != where.dtype and "qkv" in n)  # three of some files' in one
    assert quantised + placed <= 1.02 * found.weights
    assert found.weights <= 1.02 * (quantised + placed + joined)
    assert found.step > 0


def test_a_network_that_is_quantised_already_is_refused(tmp_path):
    source = read_source(single("flux dev", tmp_path / "flux.safetensors"))
    convert(source, recognise(source).describe(source), tmp_path / "flux.gguf", "gguf", "q8_0")
    packed = read_source(tmp_path / "flux.gguf")
    slots = recognise(packed).slots
    with pytest.raises(Refused, match=r"quantised already, as Q8_0.*leave --dtype int8 out"):
        held(locate(packed, slots), slots, place("cpu", "int8"))
