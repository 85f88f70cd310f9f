"""Files of single parts say what they hold, and a part reads back as it was, from them or from a whole model."""

import json

import pytest
import torch

from unnoise.catalogue import place
from unnoise.core.error import Refused
from unnoise.networks import CODECS
from unnoise.networks.autoencoder import Autoencoder, AutoencoderConfig
from unnoise.networks.pixels import Pixels
from unnoise.weights.header import read_header
from unnoise.weights.parts import KEY, export_parts, facts, holds, read_part, roles
from unnoise.weights.store import read_tensors, write_tensors

SMALL = AutoencoderConfig(channels=2, widths=(4, 6), blocks=1, smooth=2)


@pytest.fixture
def made():
    torch.manual_seed(0)
    return Autoencoder(SMALL)


@pytest.fixture
def file(made, tmp_path):
    path = tmp_path / "codec.safetensors"
    write_tensors(path, *export_parts({"codec": made}, torch.float32, {"title": "tiny", "steps": "3"}))
    return path


def changed(file, change):
    said = json.loads(read_header(file).metadata[KEY])
    said = change(said) or said
    write_tensors(file, read_tensors(file), {KEY: said if isinstance(said, str) else json.dumps(said)})
    return file


def where():
    return place("cpu", "float32")


def test_a_part_reads_back_as_it_was(made, file):
    found = read_part(file, "codec", CODECS, where())
    assert isinstance(found, Autoencoder) and found.config == SMALL and not found.training
    wanted = made.state_dict()
    assert found.state_dict().keys() == wanted.keys()
    assert all(torch.equal(v, wanted[k]) for k, v in found.state_dict().items())


def test_it_says_what_it_holds(file, tiny_model):
    header = read_header(file)
    assert holds(header) == ("codec",) and facts(header) == {"title": "tiny", "steps": "3"}
    assert holds(read_header(tiny_model)) == () and "codec" in roles(read_header(tiny_model))


def test_a_whole_model_gives_its_parts_too(tiny_model):
    assert isinstance(read_part(tiny_model, "codec", CODECS, where()), Pixels)


def test_counts_stay_whole_numbers_in_half_the_bytes(made, tmp_path):
    made.whiten.num_batches_tracked.fill_(1001)  # bfloat16 would round it
    tensors, metadata = export_parts({"codec": made}, torch.bfloat16, {})
    write_tensors(tmp_path / "half.safetensors", tensors, metadata)
    found = read_part(tmp_path / "half.safetensors", "codec", CODECS, where())
    assert int(found.whiten.num_batches_tracked) == 1001
    assert tensors["codec.encoder.leave.weight"].dtype == torch.bfloat16


def test_a_part_that_is_not_there_is_refused(file):
    with pytest.raises(Refused, match=r"holds no upscaler: it holds codec"):
        read_part(file, "upscaler", CODECS, where())


def drop(*keys):
    def change(said):
        for key in keys[:-1]:
            said = said[key]
        del said[keys[-1]]

    return change


def put(value, *keys):
    def change(said):
        for key in keys[:-1]:
            said = said[key]
        said[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("nonesuch", "parts", "codec", "name"), "codec 'nonesuch' is unknown"),
        (put(7, "parts", "codec", "name"), "codec 7 is unknown"),
        (put([], "parts", "codec"), "codec None is unknown"),
        (put(7, "parts", "codec", "config", "colour"), "settings we do not know"),
        (put(10**9, "parts", "codec", "config", "blocks"), "states blocks 1000000000"),
        (put([8, 6], "parts", "codec", "config", "widths"), "do not fit Autoencoder"),
        (put([], "parts", "codec", "config", "widths"), "cannot be built"),
        (put(2, "format"), "newer unnoise"),
        (drop("parts"), "own description cannot be read"),
        (drop("format"), "own description cannot be read"),
        (put([], "facts"), "own description cannot be read"),
        (lambda _: "[", "own description cannot be read"),
    ],
)
def test_damaged_statements_are_refused_by_name(file, change, says):
    with pytest.raises(Refused, match=says):
        read_part(changed(file, change), "codec", CODECS, where())


def test_a_file_of_others_is_refused(tmp_path):
    write_tensors(tmp_path / "other.safetensors", {"a": torch.zeros(2)}, {})
    with pytest.raises(Refused, match="does not say what it holds"):
        read_part(tmp_path / "other.safetensors", "codec", CODECS, where())
