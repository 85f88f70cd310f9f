"""Headers of safetensors files: what is read, and that nothing a stranger writes gets through or breaks the reader."""

import os
import struct

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from unnoise.core.error import Refused
from unnoise.weights.entry import MOST
from unnoise.weights.header import read_header
from unnoise.weights.store import read_tensors
from weights.hostile import entry, refused, safetensors

GOOD = {"a": torch.zeros(2, 3), "b.c": torch.ones(4, dtype=torch.bfloat16)}
DATA = save(GOOD, {"by": "us"})


def test_a_header_says_what_is_in_the_file(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(DATA)
    header = read_header(tmp_path / "x.safetensors")
    assert {k: (v.dtype, v.shape) for k, v in header.tensors.items()} == {"a": ("F32", (2, 3)), "b.c": ("BF16", (4,))}
    assert header.metadata == {"by": "us"} and header.parameters == 10


BROKEN = {
    "empty": b"",
    "seven bytes": b"\0" * 7,
    "length alone": struct.pack("<Q", 2),
    "length 0": struct.pack("<Q", 0) + b"{}",
    "length huge": struct.pack("<Q", 2**63) + b"{}",
    "length past the end": safetensors({}, length=1000),
    "no JSON": safetensors(b"nonsense"),
    "no UTF-8": safetensors(b'{"\xff": 1}'),
    "a list": safetensors([]),
    "a number": safetensors(b"17  "),
    "nested": safetensors(b"[" * 100_000),
    "repeated name": safetensors(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{}}'),
    "repeated key": safetensors(b'{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    "metadata of numbers": safetensors({"__metadata__": {"a": 1}}),
    "metadata a text": safetensors({"__metadata__": "a"}),
    "no description": safetensors({"a": {}}),
    "description a text": safetensors({"a": "F32"}),
    "no dtype": safetensors({"a": {"shape": [], "data_offsets": [0, 4]}}, b"1234"),
    "dtype a number": safetensors({"a": entry(dtype=4)}, b"1234"),
    "shape a text": safetensors({"a": entry(shape="11")}, b"1234"),
    "shape of floats": safetensors({"a": entry(shape=[1.5])}, b"1234"),
    "shape of nothing": safetensors({"a": entry(shape=[None])}, b"1234"),
    "shape below 0": safetensors({"a": entry(shape=[-1])}, b"1234"),
    "shape true": safetensors({"a": entry(shape=[True])}, b"1234"),
    "shape infinite": safetensors(b'{"a":{"dtype":"F32","shape":[Infinity],"data_offsets":[0,4]}}', b"1234"),
    "shape too large": safetensors({"a": entry(shape=[2**40, 2**40])}, b"1234"),
    "an axis of nothing and one beyond all": safetensors({"a": entry(shape=[0, 2**63], offsets=[0, 0])}),
    "a thousand axes": safetensors({"a": entry(shape=[1] * 1000)}, b"1234"),
    "offsets of texts": safetensors({"a": entry(offsets=["0", "4"])}, b"1234"),
    "offsets of floats": safetensors({"a": entry(offsets=[0.0, 4.0])}, b"1234"),
    "three offsets": safetensors({"a": entry(offsets=[0, 4, 8])}, b"12345678"),
    "offsets backwards": safetensors({"a": entry(shape=[0], offsets=[4, 0])}, b"1234"),
    "offsets below 0": safetensors({"a": entry(offsets=[-4, 0])}, b"1234"),
    "offsets past the end": safetensors({"a": entry()}, b"123"),
    "a control character": safetensors({"../../etc/x\0y": entry()}, b"1234"),
    "an escape": safetensors({"\x1b[2J": entry()}, b"1234"),
    "overlap": safetensors({"a": entry(), "b": entry(offsets=(2, 6))}, b"123456"),
    "a gap": safetensors({"a": entry(), "b": entry(offsets=(8, 12))}, b"123456789012"),
    "a gap before the first": safetensors({"a": entry(offsets=(4, 8))}, b"12345678"),
    "bytes that follow": safetensors({"a": entry()}, b"12345678"),
    "two names for the same bytes": safetensors({"a": entry(), "b": entry()}, b"1234"),
    "more bytes than numbers": safetensors({"a": entry(offsets=(0, 8))}, b"12345678"),
    "an unknown type": safetensors({"a": entry(dtype="F33")}, b"1234"),
    "a name without end": safetensors({"a" * 2000: entry()}, b"1234"),
    "a pickle": b"\x80\x04\x95" + b"x" * 100,
    "a zip": b"PK\x03\x04" + b"\0" * 100,
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_whole_is_refused(tmp_path, case):
    refused(tmp_path / "x.safetensors", BROKEN[case])


@pytest.mark.parametrize("kept", range(0, len(DATA), 7))
def test_a_file_cut_anywhere_is_refused(tmp_path, kept):
    path = tmp_path / "x.safetensors"
    path.write_bytes(DATA[:kept])
    with pytest.raises(Refused):
        read_header(path)


@pytest.mark.parametrize("mark", [b"PK", b"GGUF"[:2], b"\x80\x02", b"{\n", b"<h"])
def test_a_header_whose_length_begins_like_another_format(tmp_path, mark):
    """The length is any number, so its first bytes are any bytes."""
    length = int.from_bytes(mark, "little")
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (tmp_path / "x").write_bytes(safetensors(header.ljust(length), bytes(4)))
    assert (tmp_path / "x").read_bytes().startswith(mark)
    assert read_header(tmp_path / "x").shapes == {"a": (1,)}


def test_too_many_tensors_are_counted_and_not_looked_at(tmp_path):
    nothing = entry(shape=(0,), offsets=(0, 0))
    refused(tmp_path / "x.safetensors", safetensors({str(i): nothing for i in range(MOST + 1)}), "has 100,001 tensors")


def test_a_download_that_ended_early_is_told_as_that(tmp_path):
    refused(tmp_path / "x.safetensors", DATA[:-3], "cut short: tensor .* ends 3 bytes after the file")


def test_what_cannot_be_opened_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none", tmp_path / ("x" * 300)):
        with pytest.raises(Refused, match="cannot read"):
            read_header(path)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutants_are_read_or_refused(tmp_path, data):
    """Bytes changed, cut out or put in, in the header above all."""
    mutant = bytearray(DATA)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutant)))
        mutant[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from([b"-1", b"null", b'""', b"[]", b"{}", b"1e999", b"9" * 20])
            )
        )
    path = tmp_path / "x.safetensors"
    path.write_bytes(mutant)
    try:
        header = read_header(path)
        tensors = read_tensors(path)
    except Refused as refused:
        assert str(refused)
    else:
        assert {k: v.shape for k, v in tensors.items()} == {k: v.shape for k, v in header.tensors.items()}


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just("F32")),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["a", "dtype", "shape", "data_offsets", "__metadata__"]), inner, max_size=4
            ),
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors(content, b"1234"))
    try:
        read_header(path)
    except Refused as refused:
        assert str(refused)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_waited_for(tmp_path, make):
    make(tmp_path / "x.safetensors")
    with pytest.raises(Refused, match="a folder, a pipe or a device"):
        read_header(tmp_path / "x.safetensors")
