"""A published model in a file of our own is the same model: whole, offline, and back in every layout as it was."""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load_file, save_file

from families.whole import FAMILIES, LARGE, SMALL, single, tokenizers, vae
from unnoise import Generate, Result, describe, library, load
from unnoise.catalogue import reading, recognise
from unnoise.cli._weights import weights
from unnoise.core.error import Refused
from unnoise.families._converted import convert
from unnoise.families._folder import read_source
from unnoise.weights.header import read_header

BARE = {name: "sd3" if name.startswith("sd3") else name.split()[0] for name in FAMILIES}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """No tokenizer lies at home."""
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module", params=FAMILIES)
def there(request, tmp_path_factory):
    """A kind of model, the folder with a single file of it, and what has to be said to read that."""
    folder = tmp_path_factory.mktemp("own")
    said = reading({"tokenizer": list(tokenizers(folder / "words"))})
    single(request.param, folder / "published.safetensors")
    # Written anew, so that tensors start on lines of the cache as ours do, on which the last bits of sums depend.
    carried(folder / "published.safetensors", folder / "source.safetensors", "original", said)
    carried(folder / "source.safetensors", folder / "own.safetensors", "unnoise", said)
    return request.param, folder, said


def carried(path, out, target, how=None, dtype=""):
    source = read_source(path, how)
    return convert(source, recognise(source).describe(source), out, target, dtype)


def latent(model):
    ask = {"guidance": 3.0, "negative": "xyz"} if model.description.guidance == "free" else {}
    asked = Generate(prompt="a fox", model="m", width=16, height=32, steps=2, seed=1, **ask)
    events = asked.run(library({"m": model}))
    return next(event.latent for event in events if isinstance(event, Result))


def read(path, how=None):
    parts = {role: list(paths) for role, paths in how.parts.items()} if how else None
    return load(str(path), device="cpu", parts=parts)


def same(mine, others):
    assert mine.keys() == others.keys()
    assert all(mine[k].dtype == v.dtype and torch.equal(mine[k], v) for k, v in others.items())


def without_marks(tensors):
    """SD 2's prediction may follow from its numbers; once it is known, it is said."""
    return {k: v for k, v in tensors.items() if k != "v_pred"}


def folder_tensors(folder):
    return {f"{p.parent.name}.{k}": v for p in folder.glob("*/*.safetensors") for k, v in load_file(p).items()}


def test_it_makes_the_same_sample_by_itself(there):
    _, folder, how = there
    own, source = read(folder / "own.safetensors"), read(folder / "source.safetensors", how)
    made, expected = latent(own), latent(source)
    assert made.isfinite().all() and torch.equal(made, expected)


def test_it_is_described_as_it_was(there):
    kind, folder, _ = there
    mine, other = (
        asdict(describe(str(folder / "own.safetensors"))),
        asdict(describe(str(folder / "source.safetensors"))),
    )
    names = ("family", "title", "width", "height", "multiple", "largest", "guidance", "defaults")
    assert {name: mine[name] for name in names} == {name: other[name] for name in names}
    assert mine["family"] == BARE[kind] and mine["facts"]["layout"] == "single file, unnoise"
    assert mine["facts"]["prediction"] == other["facts"]["prediction"]


def test_back_in_a_single_file_every_tensor_is_as_it_was(there):
    _, folder, _ = there
    carried(folder / "own.safetensors", folder / "back.safetensors", "original")
    back = load_file(folder / "back.safetensors")
    same(back, load_file(folder / "source.safetensors"))
    same({k: v for k, v in back.items() if k != "v_pred"}, without_marks(load_file(folder / "published.safetensors")))


def test_a_folder_of_it_is_the_folder_of_its_source(there, tmp_path):
    _, folder, how = there
    carried(folder / "source.safetensors", tmp_path / "theirs", "diffusers", how)
    carried(folder / "own.safetensors", tmp_path / "ours", "diffusers")
    same(folder_tensors(tmp_path / "ours"), folder_tensors(tmp_path / "theirs"))
    files = sorted(p.relative_to(tmp_path / "theirs") for p in (tmp_path / "theirs").rglob("*.json"))
    assert files == sorted(p.relative_to(tmp_path / "ours") for p in (tmp_path / "ours").rglob("*.json"))
    for name in files:
        mine, other = (json.loads((tmp_path / side / name).read_text()) for side in ("ours", "theirs"))
        assert mine == other, name


def test_a_folder_and_back_is_the_same_folder(there, tmp_path):
    """Its scheduler, settings and default sampler come along, too."""
    _, folder, how = there
    carried(folder / "source.safetensors", tmp_path / "theirs", "diffusers", how)
    carried(tmp_path / "theirs", tmp_path / "own.safetensors", "unnoise")
    carried(tmp_path / "own.safetensors", tmp_path / "ours", "diffusers")
    same(folder_tensors(tmp_path / "ours"), folder_tensors(tmp_path / "theirs"))
    mine, other = describe(str(tmp_path / "own.safetensors")), describe(str(tmp_path / "theirs"))
    assert (mine.defaults, mine.width, mine.title) == (other.defaults, other.width, other.title)
    for name in ("scheduler/scheduler_config.json", "model_index.json"):
        mine, other = (json.loads((tmp_path / side / name).read_text()) for side in ("ours", "theirs"))
        assert mine == other
    assert torch.equal(latent(read(tmp_path / "own.safetensors")), latent(read(tmp_path / "theirs")))


def test_it_goes_on_in_our_own_format(there, tmp_path):
    kind, folder, _ = there
    carried(folder / "own.safetensors", tmp_path / "again.safetensors", "unnoise")
    assert (tmp_path / "again.safetensors").read_bytes() == (folder / "own.safetensors").read_bytes()
    carried(folder / "own.safetensors", tmp_path / "half.safetensors", "unnoise", dtype="float16")
    halves = {k: v.half() for k, v in load_file(folder / "own.safetensors").items()}
    same(load_file(tmp_path / "half.safetensors"), halves)
    assert describe(str(tmp_path / "half.safetensors")).family == BARE[kind]


def test_info_says_what_it_is(there):
    kind, folder, _ = there
    said = weights(folder / "own.safetensors")
    assert (said["kind"], said["family"], said["facts"]["layout"]) == ("model", BARE[kind], "single file, unnoise")
    assert {part["where"] for part in said["parts"].values()} == {f"{name}." for name in said["parts"]}
    assert sum(part["parameters"] for part in said["parts"].values()) == said["parameters"]
    assert said["metadata"] == {"format": "pt"}


def test_a_part_may_be_given_beside_it_or_taken_from_it(there, tmp_path):
    kind, folder, how = there
    config = LARGE if BARE[kind] in ("sd3", "flux") else SMALL
    other = {name: value + 1 for name, value in vae(config, "").items()}
    save_file(other, tmp_path / "vae.safetensors")
    beside = load(str(folder / "own.safetensors"), device="cpu", parts={"vae": str(tmp_path / "vae.safetensors")})
    assert torch.equal(beside.codec.state_dict()["decoder.conv_in.bias"], other["decoder.conv_in.bias"])
    parts = {"tokenizer": list(how.parts["tokenizer"]), "vae": str(folder / "own.safetensors")}
    taken = load(str(folder / "source.safetensors"), device="cpu", parts=parts)
    own = read(folder / "own.safetensors")
    assert torch.equal(taken.codec.state_dict()["decoder.conv_in.bias"], own.codec.state_dict()["decoder.conv_in.bias"])


def test_its_tokenizers_are_those_of_the_source(there):
    _, folder, how = there
    own, source = read(folder / "own.safetensors"), read(folder / "source.safetensors", how)
    assert own.conditioner.words.keys() == source.conditioner.words.keys()
    for name, words in own.conditioner.words.items():
        other = source.conditioner.words[name]
        assert (words.begin, words.end, words.pad) == (other.begin, other.end, other.pad)
        assert words.windows("a Fox, 3 foxes and more", 9) == other.windows("a Fox, 3 foxes and more", 9)


@pytest.mark.parametrize("there", ["sdxl"], indirect=True)
def test_what_two_encoders_share_is_held_once(there):
    said = read_header(there[1] / "own.safetensors").metadata
    assert [name for name in said if name.startswith("vocabulary")] == ["vocabulary"]
    rows = json.loads(said["unnoise"])["tokenizers"]
    assert rows["tokenizer"]["pad"] != rows["tokenizer_2"]["pad"] == 0


@pytest.mark.parametrize("there", ["sd1"], indirect=True)
def test_what_a_file_says_to_people_comes_along(there, tmp_path):
    notes = {"modelspec.author": "somebody", "vocabulary_size": "7"}
    save_file(load_file(there[1] / "source.safetensors"), tmp_path / "x.safetensors", notes)
    carried(tmp_path / "x.safetensors", tmp_path / "own.safetensors", "unnoise", there[2])
    assert weights(tmp_path / "own.safetensors")["modelspec"] == {"author": "somebody"}
    carried(tmp_path / "own.safetensors", tmp_path / "back.safetensors", "original")
    assert read_header(tmp_path / "back.safetensors").metadata["modelspec.author"] == "somebody"


@pytest.mark.parametrize("there", ["sd3"], indirect=True)
def test_what_would_be_no_whole_model_is_refused_before_anything_is_written(there, tmp_path):
    held = load_file(there[1] / "source.safetensors")
    encoders = tuple(f"text_encoders.{name}." for name in ("clip_l", "clip_g", "t5xxl"))
    for left, how, said in (
        (("first_stage_model.",), there[2], "lacks vae"),
        ((), None, "no tokenizer for T5"),
        (encoders, there[2], "no text encoder"),
    ):
        less = {k: v for k, v in held.items() if not left or not k.startswith(left)}
        save_file(less, tmp_path / "less.safetensors")
        with pytest.raises(Refused, match=said):
            carried(tmp_path / "less.safetensors", tmp_path / "own.safetensors", "unnoise", how)
        assert [path.name for path in tmp_path.iterdir()] == ["less.safetensors"]


@pytest.mark.parametrize("there", ["sd3"], indirect=True)
def test_an_encoder_that_is_missing_is_missing_there_too(there, tmp_path):
    held = load_file(there[1] / "source.safetensors")
    save_file({k: v for k, v in held.items() if "clip_l" not in k}, tmp_path / "less.safetensors")
    carried(tmp_path / "less.safetensors", tmp_path / "source.safetensors", "original")
    carried(tmp_path / "source.safetensors", tmp_path / "own.safetensors", "unnoise", there[2])
    own, source = read(tmp_path / "own.safetensors"), read(tmp_path / "source.safetensors", there[2])
    assert describe(str(tmp_path / "own.safetensors")).facts["missing"] == "clip_l"
    assert torch.equal(latent(own), latent(source))
