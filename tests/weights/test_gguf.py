"""GGUF: what is written is read, by us and by its own library; headers by hand; and what a stranger makes of them."""

import struct

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.weights.gguf import TYPES
from unnoise.weights.gguf_writer import write_gguf
from unnoise.weights.header import read_header
from unnoise.weights.open import open_tensors
from weights.hostile import gguf, listed, refused, text

TENSORS = {
    "rows of 32": torch.randn(6, 64),
    "a convolution": torch.randn(256, 3, 3, 3),
    "no rows of anything": torch.randn(3, 5).bfloat16(),
    "six axes": torch.randn(2, 2, 2, 2, 2, 32),
    "vector": torch.randn(5),
    "half": torch.randn(8).half(),
    "scalar": torch.tensor(3.0),
    "whole numbers": torch.arange(4),
    "nothing": torch.zeros(0, 4),
    "float8": torch.tensor([[1.5, -448.0]]).to(torch.float8_e4m3fn),
}
SAID = {"general.architecture": "sd", "x.half": 0.5, "x.true": True, "x.below": -3, "x.above": 2**40}


def key(name: str, kind: int, data: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + data


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0"])
def test_what_is_written_is_read(tmp_path, kind):
    write_gguf(tmp_path / "x.gguf", TENSORS, SAID, kind)
    found = open_tensors(tmp_path / "x.gguf")
    assert found.header.kind == "gguf" and list(found) == list(TENSORS)
    assert found.header.metadata.items() >= {k: str(v) for k, v in SAID.items()}.items()
    for name, value in found.items():
        mine, stored = TENSORS[name], found.header.tensors[name].dtype
        assert value.shape == mine.shape, name
        plain = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}.get(stored)
        if stored == "Q8_0":
            assert (value - mine).abs().max() <= mine.abs().max() / 250
        else:
            assert torch.equal(value.float(), mine.to(plain or mine.dtype).float()), name
    matrices = {name: found.header.tensors[name].dtype for name in ("rows of 32", "a convolution", "six axes")}
    assert set(matrices.values()) == {kind} and found.header.tensors["vector"].dtype == "F32"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_plain_numbers_come_back_exactly(tmp_path, dtype):
    kind = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}[dtype]
    tensors = {"a": torch.randn(7, 3).to(dtype), "b": torch.randn(9).to(dtype)}
    write_gguf(tmp_path / "x.gguf", tensors, {}, kind)
    found = open_tensors(tmp_path / "x.gguf")
    assert all(found[name].dtype == dtype and torch.equal(found[name], value) for name, value in tensors.items())


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0"])
def test_its_own_library_reads_the_same(tmp_path, kind):
    theirs = pytest.importorskip("gguf")
    write_gguf(tmp_path / "x.gguf", TENSORS, SAID, kind)
    ours, reader = open_tensors(tmp_path / "x.gguf"), theirs.GGUFReader(tmp_path / "x.gguf")
    assert reader.fields["general.architecture"].contents() == "sd" and reader.fields["x.above"].contents() == 2**40
    assert [tensor.name for tensor in reader.tensors] == list(TENSORS)
    for tensor in reader.tensors:
        stored = np.array(tensor.data)
        plain = tensor.tensor_type.name not in ("Q8_0", "BF16")
        value = stored if plain else theirs.quants.dequantize(stored, tensor.tensor_type)
        assert np.array_equal(value.reshape(-1), ours[tensor.name].reshape(-1).float().numpy()), tensor.name


def test_what_its_own_library_writes_is_read(tmp_path):
    theirs = pytest.importorskip("gguf")
    writer = theirs.GGUFWriter(tmp_path / "x.gguf", "flux")
    writer.add_string("name", "a")
    writer.add_array("short", [1, 2, 3])
    writer.add_array("words", ["word"] * 1000)
    writer.add_array("scores", [0.5] * 1000)
    values = {k: np.random.default_rng(0).normal(size=s).astype("float32") for k, s in (("m", (4, 64)), ("v", (3,)))}
    quant = theirs.quants.quantize(values["m"], theirs.GGMLQuantizationType.Q5_0)
    writer.add_tensor("m", quant, raw_dtype=theirs.GGMLQuantizationType.Q5_0)
    writer.add_tensor("v", values["v"])
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    found = open_tensors(tmp_path / "x.gguf")
    assert found.header.metadata["short"] == "1, 2, 3" and "1,000" in found.header.metadata["words"]
    assert found.header.shapes == {"m": (4, 64), "v": (3,)} and found.header.tensors["m"].dtype == "Q5_0"
    assert np.abs(found["m"].numpy() - values["m"]).max() < 0.2 and np.array_equal(found["v"].numpy(), values["v"])


def test_packed_bytes_are_those_of_the_file(tmp_path):
    write_gguf(tmp_path / "x.gguf", {"a": torch.ones(2, 32), "b": torch.ones(3)}, {}, "Q8_0")
    found = open_tensors(tmp_path / "x.gguf")
    assert found.packed("a").shape == (68,) and found.packed("a").dtype == torch.uint8
    assert found.packed("a")[2] == 127 and torch.equal(found.packed("b").view(torch.float32), torch.ones(3))


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        (torch.tensor([[1.0, float("nan")]]), "F32", "not finite"),
        (torch.tensor([[1.0, 7e4]]), "F16", "too large for F16"),
        (torch.full((2, 32), 3e38), "Q8_0", "too large for Q8_0"),
        (torch.tensor([True]), "F16", "no type"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, value, kind, says):
    with pytest.raises(Refused, match=says):
        write_gguf(tmp_path / "x.gguf", {"a": value}, {}, kind)
    assert list(tmp_path.iterdir()) == []


def test_axes_are_reversed_and_a_proper_shape_is_honoured(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(gguf([listed(sizes=(2, 3, 1)), listed("b", (6,), offset=32)], data=bytes(56)))
    assert read_header(path).shapes == {"a": (1, 3, 2), "b": (6,)}
    proper = key("comfy.gguf.orig_shape.b", 9, struct.pack("<IQ3i", 5, 3, 3, 1, 2))
    path.write_bytes(gguf([listed("b", (6,))], [proper], bytes(24)))
    assert read_header(path).shapes == {"b": (3, 1, 2)} and read_header(path).metadata == {}


def test_another_alignment_is_honoured(tmp_path):
    path = tmp_path / "x.gguf"
    align = key("general.alignment", 4, struct.pack("<I", 64))
    path.write_bytes(gguf(said=[align], data=struct.pack("<4f", 1, 2, 3, 4), align=64))
    assert open_tensors(path)["a"].tolist() == [1, 2, 3, 4]


HOSTILE = {
    "the mark alone": (b"GGUF", "cut short"),
    "version 1": (gguf(version=1), "version is 1"),
    "version 4": (gguf(version=4), "version is 4"),
    "the other end first": (gguf(version=3 << 24), "version"),
    "tensors without end": (gguf(counts=(2**62, 0)), "tensors"),
    "metadata without end": (gguf(counts=(1, 2**62)), "metadata"),
    "fewer tensors than said": (gguf(counts=(2, 0)), "cut short|type|axes|control"),
    "more metadata than there are": (gguf([], counts=(0, 1), data=b""), "cut short"),
    "a text without end": (gguf(said=[struct.pack("<Q", 2**63)]), "cut short"),
    "a list without end": (gguf(said=[key("k", 9, struct.pack("<IQ", 4, 2**60))]), "cut short"),
    "a list of texts without end": (gguf(said=[key("k", 9, struct.pack("<IQ", 8, 2**60))]), "cut short"),
    "a list of lists": (gguf(said=[key("k", 9, struct.pack("<IQ", 9, 1))]), "list of the type 9"),
    "metadata of no type": (gguf(said=[key("k", 13, b"")]), "unknown type 13"),
    "metadata twice": (gguf(said=[key("k", 0, b"1")] * 2), "stand twice"),
    "a tensor twice": (gguf([listed(), listed(offset=32)], data=bytes(64)), "stands twice"),
    "control characters": (gguf([listed("\x1b[2J")]), "control characters"),
    "five axes": (gguf([listed(sizes=(1,) * 5)]), "5 axes"),
    "axes without end": (gguf([text("a") + struct.pack("<I", 2**32 - 1)]), "axes"),
    "a size beyond all": (gguf([listed(sizes=(2**62, 2**62))]), "beyond all"),
    "a size of nothing and one beyond all": (gguf([listed(sizes=(2**63, 0))]), "beyond all"),
    "a type we do not read": (gguf([listed(kind=16)]), "type 16"),
    "no whole blocks": (gguf([listed(sizes=(33,), kind=8)]), "blocks"),
    "blocks of a scalar": (gguf([listed(sizes=(), kind=8)]), "blocks"),
    "an offset after the end": (gguf([listed(offset=2**40)]), "cut short"),
    "an offset that is not aligned": (gguf([listed(offset=4)], data=bytes(64)), "aligned"),
    "tensors that overlap": (gguf([listed(), listed("b")]), "overlaps"),
    "data cut short": (gguf(data=bytes(15)), "cut short"),
    "an alignment of 0": (gguf(said=[key("general.alignment", 4, bytes(4))]), "alignment"),
    "an alignment of text": (gguf(said=[key("general.alignment", 8, text("a"))]), "alignment"),
    "a proper shape of another size": (
        gguf(said=[key("comfy.gguf.orig_shape.a", 9, struct.pack("<IQ2i", 5, 2, 3, 1))]),
        "does not fit its shape",
    ),
    "a proper shape below 0": (
        gguf(said=[key("comfy.gguf.orig_shape.a", 9, struct.pack("<IQ2i", 5, 2, -2, -2))]),
        "no proper shape",
    ),
    "a proper shape of text": (gguf(said=[key("comfy.gguf.orig_shape.a", 8, text("4"))]), "no proper shape"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_not_sound_is_refused(tmp_path, case):
    refused(tmp_path / "x.safetensors", *HOSTILE[case])


def test_types_are_numbered_as_its_own_library_has_them():
    theirs = pytest.importorskip("gguf").GGMLQuantizationType
    assert {number: theirs(number).name for number in TYPES} == TYPES


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.text("ab./", max_size=5), st.lists(st.integers(0, 5), max_size=5), max_size=4),
    st.dictionaries(
        st.text(max_size=5).map("x.{}".format),
        st.one_of(st.text(), st.booleans(), st.integers(-(2**63), 2**32), st.floats(allow_nan=False)),
        max_size=4,
    ),
    st.sampled_from(["F32", "Q8_0"]),
)
def test_any_names_shapes_and_metadata_come_back(tmp_path, shapes, said, kind):
    tensors = {name: torch.ones(shape) for name, shape in shapes.items()}
    write_gguf(tmp_path / "x.gguf", tensors, said, kind)
    found = open_tensors(tmp_path / "x.gguf")
    assert found.header.shapes == {name: tuple(shape) for name, shape in shapes.items()}
    assert found.header.metadata.items() >= {k: str(v) for k, v in said.items()}.items()
