"""What a file of our own says of a published model is checked: damaged, hostile or cut short, it is refused by name."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from families.whole import FAMILIES, single, tokenizers
from unnoise import Generate, Result, describe, library, load
from unnoise.catalogue import reading, recognise
from unnoise.core.error import Refused
from unnoise.families._converted import convert
from unnoise.families._folder import read_source
from unnoise.weights.header import read_header
from unnoise.weights.store import write_tensors

HUGE = 10**12


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One of our own files of a kind."""
    folder, made = tmp_path_factory.mktemp("stated"), {}

    def make(kind):
        if kind not in made:
            words = reading({"tokenizer": list(tokenizers(folder / "words"))})
            source = read_source(single(kind, folder / "published.safetensors"), words)
            made[kind] = folder / f"{kind}.safetensors"
            convert(source, recognise(source).describe(source), made[kind], "unnoise", "")
        return made[kind]

    return make


@pytest.fixture
def rewritten(files, tmp_path):
    """The file with its statements, its tensors or its other metadata changed."""

    def make(change=lambda _: None, kind="sd1", more=None, **tensors):
        header, held = read_header(files(kind)), load_file(files(kind))
        said = json.loads(header.metadata["unnoise"])
        said = change(said) or said
        metadata = dict(header.metadata) | {"unnoise": said if isinstance(said, str) else json.dumps(said)}
        held |= tensors
        write_tensors(tmp_path / "changed.safetensors", held, metadata | (more or {}))
        return str(tmp_path / "changed.safetensors")

    return make


def put(*keys, value):
    """A change of one statement; the value `...` takes it away."""

    def change(said):
        place = said
        for key in keys[:-1]:
            place = place[key]
        if value is ...:
            del place[keys[-1]]
        else:
            place[keys[-1]] = value

    return change


CONFIG = ("parts", "unet", "config")
DESCRIBED = {
    "no JSON": (lambda _: "{", "cannot be read"),
    "nested": (lambda _: "[" * 100_000, "cannot be read"),
    "newer": (put("format", value=2), "newer unnoise"),
    "unknown family": (put("family", value="sd9"), "unknown family 'sd9'"),
    "our own as its family": (put("family", value="native"), "unknown family 'native'"),
    "a path as its family": (put("family", value="../sd1"), "unknown family"),
    "family a list": (put("family", value=["sd1"]), "unknown family"),
    "another family": (put("family", value="flux"), "unet|clip_l|transformer"),
    "no width": (put("description", "width", value=...), "width"),
    "width 0": (put("description", "width", value=0), "width"),
    "width beyond all": (put("description", "width", value=10**30), "pixels"),
    "height beyond its largest": (put("description", "height", value=16384), "16384 pixels"),
    "largest beyond all": (put("description", "largest", value=10**6), "1000000 at most"),
    "defaults a list": (put("description", "defaults", value=[1]), "defaults"),
    "steps a text": (put("description", "defaults", "steps", value="many"), "steps"),
    "no noising": (put("noising", value=...), "noising"),
    "noising a text": (put("noising", value="betas"), "noising"),
    "unknown path": (put("noising", "path", value="winding"), "path"),
    "unknown prediction": (put("noising", "prediction", value="v_prediction"), "prediction"),
    "unknown spacing": (put("noising", "spacing", value="wide"), "spacing"),
    "spacing a list": (put("noising", "spacing", value=["leading"]), "spacing"),
    "rows beyond all": (put("noising", "betas", "rows", value=HUGE), "rows"),
    "rows many": (put("noising", "betas", "rows", value=10**7), "betas"),
    "a beta above 1": (put("noising", "betas", "end", value=2.0), "betas"),
    "no betas": (put("noising", "betas", value={}), "betas"),
    "a beta not finite": (put("noising", "betas", "end", value=float("nan")), "end"),
    "no parts": (put("parts", value=...), "parts"),
    "parts a list": (put("parts", value=[]), "parts"),
    "no network": (put("parts", "unet", value=...), "lacks unet"),
    "a part a text": (put("parts", "vae", value="autoencoder_kl"), "vae"),
    "a part of nothing": (put("parts", "prior", value={"config": {}}), "prior"),
    "a path as a part": (put("parts", "../vae", value={"config": {}}), "../vae"),
    "trimmed a number": (put("parts", "clip_l", "trimmed", value=1), "clip_l"),
    "config a list": (put(*CONFIG, value=[]), "config"),
    "config a setting of tables": (put(*CONFIG, "widths", value={"a": 1}), "widths"),
    "widths of texts": (put(*CONFIG, "widths", value=["64", "64"]), "widths"),
    "widths a number": (put(*CONFIG, "widths", value=64), "widths"),
    "widths without end": (put(*CONFIG, "widths", value=[64] * 100_000), "widths"),
    "a width beyond all": (put(*CONFIG, "context", value=HUGE), "context"),
    "extra a text": (put(*CONFIG, "extra", value="5"), "extra"),
    "extra of no kind": (put(*CONFIG, "extra", value=1), "channels beside its sample"),
    "no extra": (put(*CONFIG, "extra", value=...), "extra"),
    "blocks without end": (put(*CONFIG, "blocks", value=10**6), "count of layers"),
    "depths without end": (put(*CONFIG, "depths", value=[10**6, 0]), "count of layers"),
    "blocks of depths": (put(*CONFIG, value={"widths": [64] * 30, "blocks": 900, "extra": 0}), "count of layers"),
    "a middle without end": (put(*CONFIG, "middle", value=10**6), "count of layers"),
    "the codec's widths": (put("parts", "vae", "config", "widths", value=...), "widths"),
    "the codec's blocks": (put("parts", "vae", "config", "blocks", value=10**6), "count of layers"),
    "an encoder's depth": (put("parts", "clip_l", "config", "depth", value=10**6), "count of layers"),
    "an encoder's words": (put("parts", "clip_l", "config", "vocabulary", value="many"), "vocabulary"),
    "no tokenizers": (put("tokenizers", value=...), "tokenizers"),
    "no tokenizer": (put("tokenizers", value={}), "tokenizer"),
    "a mark beyond all": (put("tokenizers", "tokenizer", "pad", value=HUGE), "tokenizer"),
    "a mark below 0": (put("tokenizers", "tokenizer", "end", value=-1), "tokenizer"),
    "a mark a text": (put("tokenizers", "tokenizer", "begin", value="1"), "tokenizer"),
    "no end": (put("tokenizers", "tokenizer", "end", value=None), "tokenizer"),
    "a vocabulary of tables": (put("tokenizers", "tokenizer", "vocabulary", value={}), "tokenizer"),
    "scheduler a text": (put("scheduler", value="PNDMScheduler"), "scheduler"),
    "scheduler unknown": (put("scheduler", value={"_class_name": "os.system"}), "os.system"),
    "scheduler of straight lines": (
        put("scheduler", value={"_class_name": "FlowMatchEulerDiscreteScheduler"}),
        "a table of betas",
    ),
    "no index": (put("index", value=...), "index"),
    "index of lists": (put("index", value={"unet": ["diffusers", "UNet"]}), "index"),
}


@pytest.mark.parametrize("case", DESCRIBED)
def test_a_damaged_statement_is_refused_before_anything_is_built(rewritten, case):
    change, said = DESCRIBED[case]
    with pytest.raises(Refused, match=said):
        describe(rewritten(change))


BUILT = {
    "unknown setting": put(*CONFIG, "colour", value=3),
    "another width": put(*CONFIG, "widths", value=[128, 128]),
    "width below 0": put(*CONFIG, "widths", value=[-64, -64]),
    "a setting of another kind": put("parts", "clip_l", "config", "heads", value=True),
    "heads that do not part": put("parts", "clip_l", "config", "heads", value=3),
    "an activation": put("parts", "clip_l", "config", "activation", value="tanh"),
    "no heads": put(*CONFIG, "heads", value=[0, 0]),
    "another depth": put("parts", "clip_l", "config", "depth", value=1),
    "an encoder's places": put("parts", "clip_l", "config", "positions", value=2**24),
    "a vocabulary that is not there": put("tokenizers", "tokenizer", "vocabulary", value="others"),
    "statements as vocabulary": put("tokenizers", "tokenizer", "vocabulary", value="unnoise"),
    "the codec's scale": put("parts", "vae", "config", "scaling", value=0),
}


@pytest.mark.parametrize("case", BUILT)
def test_parts_that_cannot_be_built_are_refused(rewritten, case):
    with pytest.raises(Refused):
        load(rewritten(BUILT[case]), device="cpu")


OTHERS = {
    "no guidance": ("flux dev", "guidance", ..., "guidance"),
    "singles without end": ("flux dev", "singles", 10**6, "count of layers"),
    "axes that are no head's": ("flux dev", "axes", [16, 56, 58], "axes"),
    "axes that do not pair": ("flux dev", "axes", [15, 57, 56], "axes"),
    "heads of two streams": ("sd3", "heads", 3, "heads"),
    "dual a number": ("sd3", "dual", 1, "dual"),
    "places without end": ("sd3", "positions", 2**20, "pos_embed"),
    "a number of text and sizes": ("sdxl", "pooled", 7, "add_embedding"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_networks_of_other_kinds_need_is_refused_too(rewritten, case):
    kind, name, value, said = OTHERS[case]
    network = "unet" if kind == "sdxl" else "transformer"
    with pytest.raises(Refused, match=said):
        load(rewritten(put("parts", network, "config", name, value=value), kind), device="cpu")


def test_a_tokenizer_with_words_that_the_encoder_does_not_know_is_refused(rewritten):
    with pytest.raises(Refused, match="does not know"):
        load(rewritten(put("parts", "clip_l", "config", "vocabulary", value=20)), device="cpu")
    for text, said in (("{}", "no whole"), ("[" * 100_000, "no whole"), ("", "no whole")):
        with pytest.raises(Refused, match=said):
            load(rewritten(more={"vocabulary": text}), device="cpu")


def test_a_tokenizer_that_would_need_all_memory_is_harmless_or_refused(files, rewritten, tmp_path):
    """tests/text/test_stranger.py has the cases."""
    said = json.loads(read_header(files("sd1")).metadata["vocabulary"])
    fixed = {"strategy": {"Fixed": 3 * 10**8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 999_999}
    padded = rewritten(
        more={"vocabulary": json.dumps(said | {"padding": fixed | {"pad_type_id": 0, "pad_token": "!"}})}
    )
    words, others = (load(path, device="cpu").conditioner.words["encoder"] for path in (padded, str(files("sd1"))))
    assert words.windows("a fox", 9) == others.windows("a fox", 9)
    cut = {"type": "Precompiled", "precompiled_charsmap": "/////w=="}
    path = rewritten(more={"vocabulary": json.dumps(said | {"normalizer": cut})})
    for use in (lambda: load(path, device="cpu"), lambda: carried(Path(path), tmp_path / "folder")):
        with pytest.raises(Refused, match="no whole tokenizer"):
            use()
    assert [found.name for found in tmp_path.iterdir()] == ["changed.safetensors"]


def carried(path, folder):
    source = read_source(path)
    return convert(source, recognise(source).describe(source), folder, "diffusers", "")


def test_a_given_tokenizer_with_tokens_that_the_encoder_does_not_know_is_refused(files, tmp_path):
    clip, _ = tokenizers(tmp_path / "words")
    said = json.loads(clip.read_text(encoding="utf-8"))
    for token, held in (("f</w>", "a f"), ("<|endoftext|>", "")):
        clip.write_text(json.dumps(said | {"model": said["model"] | {"vocab": said["model"]["vocab"] | {token: 999}}}))
        with pytest.raises(Refused, match="has token 999, and its text encoder knows 55"):
            model = load(str(files("sd1")), device="cpu", parts={"tokenizer": str(clip)})
            list(Generate(prompt=held, model="m", width=16, height=16, steps=1).run(library({"m": model})))


def test_tensors_that_nothing_states_are_refused(rewritten):
    for name, said in (("unet.more", "unknown: more"), ("more.weight", "of no use here: more.weight")):
        with pytest.raises(Refused, match=said):
            load(rewritten(**{name: torch.zeros(1)}), device="cpu")
    with pytest.raises(Refused, match="not finite"):
        load(rewritten(**{"vae.decoder.conv_out.bias": torch.full((3,), torch.nan)}), device="cpu")


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_file_cut_short_anywhere_is_refused(files, tmp_path, kind):
    whole, cut = files(kind).read_bytes(), tmp_path / "cut.safetensors"
    start = 8 + int.from_bytes(whole[:8], "little")
    for length in (0, 7, 8, 100, start - 1, start, start + 1, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(Refused):
            describe(str(cut))


def test_another_family_is_not_believed(files):
    path = str(files("sd1"))
    assert describe(path, reading(family="sd1")).family == "sd1"
    for family in ("sd2", "native"):
        with pytest.raises(Refused, match="its family is sd1"):
            describe(path, reading(family=family))


ANY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(0, 70), max_size=3),
    st.just({}),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_statement_runs_or_is_refused(rewritten, data):
    """What is read must not end in a traceback, either."""
    kind = data.draw(st.sampled_from(("sd1", "sdxl", "flux dev")))

    def change(said):
        place = said
        for _ in range(data.draw(st.integers(1, 4))):
            key = data.draw(st.sampled_from(sorted(place)))
            before, place = (place, key), place[key]
            if not isinstance(place, dict) or not place:
                break
        before[0][before[1]] = data.draw(ANY)

    path = rewritten(change, kind)
    try:
        model = load(path, device="cpu")
        size = {"width": model.description.multiple * 8, "height": model.description.multiple * 8}
        asked = Generate(prompt="a fox", model="m", steps=2, **size)
        events = list(asked.run(library({"m": model})))
        assert isinstance(events[-1], Result)
    except Refused as refused:
        assert str(refused)
