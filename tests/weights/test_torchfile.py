"""Files by `torch.save`: read as torch reads them, executing nothing, and refused where they are not sound."""

import io
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from unnoise.core.error import Refused
from unnoise.weights.entry import Entry
from unnoise.weights.header import read_header
from unnoise.weights.open import open_tensors, read_entry
from unnoise.weights.pickled import STEPS, Opaque
from unnoise.weights.torchfile import read_pickle
from weights import hostile
from weights.hostile import Steps, archive, part, refused, storage, stream, table, tensor

SAVED = {
    "plain": torch.arange(6.0).reshape(2, 3),
    "half": torch.ones(5, dtype=torch.bfloat16),
    "view": torch.arange(24.0).reshape(4, 6).T[1:, ::2],
    "expanded over one row": torch.arange(77).expand(1, -1),
    "nothing": torch.zeros(0, 3),
    "scalar": torch.tensor(3, dtype=torch.uint8),
    "parameter": nn.Parameter(torch.randn(3)),
    "float8": torch.tensor([1.0, 2.0]).to(torch.float8_e4m3fn),
    "bool": torch.tensor([True, False]),
}
BOTH = pytest.mark.parametrize("new", [True, False], ids=["archive", "stream"])


def saved(path: Path, value, new: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=new)
    return path


@BOTH
def test_tensors_are_what_torch_reads(tmp_path, new):
    value = {k: v for k, v in SAVED.items() if new or k != "float8"}  # which torch writes into streams, and cannot read
    path = saved(tmp_path / "x.ckpt", value, new)
    found, theirs = open_tensors(path), torch.load(path, weights_only=True)
    assert found.header.kind == "torch" and found.keys() == value.keys()
    for name, value in found.items():
        assert value.dtype == theirs[name].dtype and value.stride() == theirs[name].stride(), name
        assert torch.equal(value.float(), theirs[name].float()), name


@BOTH
def test_tied_tensors_are_both_there(tmp_path, new):
    whole = torch.arange(12.0)
    found = open_tensors(saved(tmp_path / "x.pt", {"a": whole, "b": whole, "c": whole[4:8]}, new))
    assert torch.equal(found["a"], whole) and torch.equal(found["b"], whole) and torch.equal(found["c"], whole[4:8])


@BOTH
@pytest.mark.parametrize("around", ["state_dict", "model", "params_ema", "anything"])
def test_a_table_in_a_table_is_the_one_meant(tmp_path, new, around):
    inner = OrderedDict(nn.Linear(2, 3).state_dict())
    value = {around: inner, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}, "groups": [{"lr": 0.1}]}}
    found = open_tensors(saved(tmp_path / "x.ckpt", value, new))
    assert sorted(found) == ["bias", "weight"] and found.header.metadata == {"epoch": "3"}


def test_the_better_of_two_tables_and_all_of_others(tmp_path):
    a, b = {"w": torch.zeros(1)}, {"w": torch.ones(1)}
    assert open_tensors(saved(tmp_path / "x.pt", {"params": a, "params_ema": b}))["w"] == 1
    assert sorted(open_tensors(saved(tmp_path / "x.pt", {"one": a, "two": b}))) == ["one.w", "two.w"]
    assert sorted(open_tensors(saved(tmp_path / "x.pt", [torch.zeros(1), torch.ones(1)]))) == ["0", "1"]


@BOTH
def test_an_embedding_is_reached_by_its_values(tmp_path, new):
    """The forms AUTOMATIC1111 wrote: a table, and in older versions a module that holds parameters."""
    vectors = nn.Parameter(torch.randn(2, 768))
    for params in ({"*": vectors}, nn.ParameterDict({"*": vectors})):
        value = {"string_to_token": {"*": 265}, "string_to_param": params, "name": "cat", "step": 499, "sd": None}
        path = saved(tmp_path / "x.pt", value, new)
        found = read_pickle(path)
        assert found["name"] == "cat" and found["step"] == 499 and found["sd"] is None
        assert torch.equal(read_entry(found["string_to_param"]["*"]), vectors)
        assert list(open_tensors(path)) == ["*"] and read_header(path).metadata["name"] == "cat"


@BOTH
def test_objects_stay_notes(tmp_path, new):
    """A whole checkpoint of a trainer: what is no tensor does no harm, and what is one is found."""
    value = {
        "state_dict": {"w": torch.ones(2)},
        "hyper_parameters": zipfile.ZipInfo("x"),
        "callbacks": {zipfile.ZipInfo: {"best": 0.5}},
        "numpy": [np.float64(0.5), np.arange(3)],
        "more": [{1, 2}, frozenset("a"), 1 + 2j, range(3), torch.float16, torch.Size([1]), b"bytes", -(2**70)],
    }
    path = saved(tmp_path / "x.ckpt", value, new)
    assert list(open_tensors(path)) == ["w"]
    found = read_pickle(path)
    assert isinstance(found["hyper_parameters"], Opaque) and isinstance(found["state_dict"]["w"], Entry)
    assert found["more"][-1] == -(2**70) and found["more"][5] == (1,)


@pytest.mark.parametrize(
    "value",
    [
        torch.eye(3).to_sparse(),
        torch.zeros(3, device="meta"),
        torch._neg_view(torch.ones(3)),  # what would be read has another sign
        torch.nested.nested_tensor([torch.ones(2)], layout=torch.jagged),
    ],
    ids=["sparse", "meta", "negated", "nested"],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_of_other_kinds_are_refused_and_not_left_out(tmp_path, value):
    with pytest.raises(Refused, match=r"x\.pt"):
        read_header(saved(tmp_path / "x.pt", {"a": value, "b": torch.ones(1)}))


@BOTH
def test_what_holds_no_table_says_what_to_do(tmp_path, new):
    for value, says in ((nn.Linear(2, 2), "state_dict"), ({"a": 1}, "0 tensors"), (torch.ones(1), "table of tensors")):
        with pytest.raises(Refused, match=says):
            read_header(saved(tmp_path / "x.pt", value, new))


def test_a_torchscript_program_is_refused(tmp_path):
    data = archive(table(tensor(part())), {"data/0": bytes(16), "constants.pkl": b"\x80\x02)."})
    refused(tmp_path / "x.pt", data, "TorchScript")


def test_headers_load_no_torch(tmp_path):
    saved(tmp_path / "x.pt", SAVED)
    code = f"""
import sys
from pathlib import Path
from unnoise.weights.header import read_header
print(len(read_header(Path({str(tmp_path / "x.pt")!r})).tensors), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == f"{len(SAVED)} False\n", done.stderr


# What a stranger writes. Each is refused with its reason.

GOOD = part().raw(tensor(part()).text)


def call(module: str, name: str, *args) -> Steps:
    return part().name(module, name).raw(b"(" + b"".join(part().value(a).text for a in args) + b"tR")


HOSTILE = {
    "no pickle": (archive(b""), "pickle"),
    "a pickle cut short": (archive(table(GOOD)[:-3]), "pickle"),
    "two pickles": (archive(table(GOOD), {"data/0": bytes(16), "/b/data.pkl": table(GOOD)}), "none that torch.save"),
    "no storage": (archive(table(GOOD), {}), "storage '0' is missing"),
    "storage of another archive": (archive(table(tensor(part(), key="../x/0"))), "missing"),
    "storage cut short": (archive(table(GOOD), {"data/0": bytes(15)}), "cut short"),
    "storage of objects": (archive(table(tensor(part(), kind=("os", "system")))), "unknown type system"),
    "count of another kind": (archive(table(tensor(part(), count="4"))), "no storage"),
    "count below 0": (archive(table(tensor(part(), count=-1))), "no storage"),
    "count beyond all": (archive(table(tensor(part(), count=2**62))), "cut short"),
    "strides of 0, a million million numbers": (
        archive(table(tensor(part(), shape=(10**6, 10**6), strides=(0, 0)))),
        "repeats",
    ),
    "strides that overlap": (archive(table(tensor(part(), shape=(3, 2), strides=(1, 1)))), "repeats"),
    "strides below 0": (archive(table(tensor(part(), strides=(-1,)))), "proper shape"),
    "strides beyond the storage": (archive(table(tensor(part(), shape=(2,), strides=(4,)))), "larger"),
    "offset beyond the storage": (archive(table(tensor(part(), offset=1))), "larger"),
    "offset below 0": (archive(table(tensor(part(), offset=-1))), "proper shape"),
    "shape beyond the storage": (archive(table(tensor(part(), shape=(5,)))), "larger"),
    "shape of nothing and beyond all": (
        archive(table(tensor(part(), shape=(0, 2**70), strides=(1, 1)))),
        "proper shape",
    ),
    "strides beyond all": (archive(table(tensor(part(), shape=(1,), strides=(2**70,)))), "proper shape"),
    "shape below 0": (archive(table(tensor(part(), shape=(-4,)))), "proper shape"),
    "shape of texts": (archive(table(tensor(part(), shape=("4",)))), "proper shape"),
    "shape true": (archive(table(tensor(part(), shape=(True,)))), "proper shape"),
    "more strides than axes": (archive(table(tensor(part(), strides=(1, 1)))), "proper shape"),
    "a thousand axes": (archive(table(tensor(part(), shape=(1,) * 1000, strides=(1,) * 1000))), "proper shape"),
    "a tensor of nothing": (archive(table(call("torch._utils", "_rebuild_tensor_v2", 1, 0, (1,), (1,)))), "storage"),
    "a tensor of too little": (archive(table(call("torch._utils", "_rebuild_tensor_v2"))), "damaged"),
    "an object for a table": (archive(Steps().raw(call("os", "getcwd").text).done()), "no table"),
    "a number for a table": (archive(Steps().value(3).done()), "no table"),
    "control characters in a name": (
        archive(Steps().raw(b"}").value("\x1b[2J").raw(GOOD.text + b"s").done()),
        "control characters",
    ),
    "a table in itself": (archive(Steps().raw(b"}q\x00").value("a").raw(b"h\x00s").done()), "0 tensors"),
    "deep": (archive(Steps().raw(b"(" * 50_000 + b"t" * 50_000).done()), "0 tensors"),
    "memo that is not there": (archive(Steps().raw(b"h\x07").done()), "damaged"),
    "a mark that is not there": (archive(Steps().raw(b"t").done()), "damaged"),
    "nothing on the stack": (archive(b"\x80\x02."), "damaged"),
    "an extension": (archive(Steps().raw(b"\x82\x01").done()), "EXT1"),
    "an instance by its class": (archive(Steps().raw(b"(ios\nsystem\n").done()), "INST"),
    "a buffer beside the pickle": (archive(Steps(b"\x80\x05").raw(b"\x97").done()), "NEXT_BUFFER"),
    "a text that is longer than the file": (archive(Steps().raw(b"X\xff\xff\xff\x7fabc").done()), "damaged"),
    "bytes that are longer than the file": (
        archive(Steps(b"\x80\x04").raw(b"\x8e" + struct.pack("<Q", 2**60)).done()),
        "damaged",
    ),
    "a number of a million digits": (archive(Steps().raw(b"I" + b"9" * 10**6 + b"\n").done()), "damaged"),
    "too many steps": (archive(Steps().raw(b"]0" * (STEPS // 2 + 1)).value(1).done()), "steps"),
    "a table by lists": (archive(Steps().raw(b"}](K\x01K\x02ds").done()), "damaged|names|table"),
    "numbers chosen to collide": (
        archive(Steps().raw(b"}").value(2**61 - 1).value(1).raw(b"s").done()),
        "keys that are no names",
    ),
    "another order of bytes": (archive(table(GOOD), {"data/0": bytes(16), "byteorder": b"big"}), "order of bytes"),
    "compressed": (archive(table(GOOD), method=zipfile.ZIP_DEFLATED), "compressed"),
    "compressed a thousand times": (
        archive(table(GOOD), {"data/0": bytes(64 * 2**20)}, zipfile.ZIP_DEFLATED),
        "compressed",
    ),
    "an archive of something else": (archive(table(GOOD), top="a/b"), "none that torch.save wrote"),
    "stream: another magic number": (b"\x80\x02\x8a\nm" + stream(table(GOOD))[5:], "whole"),
    "stream: another protocol": (stream(table(GOOD)).replace(b"M\xe9\x03", b"M\xea\x03"), "no longer"),
    "stream: big end first": (stream(table(GOOD)).replace(b"\x88s.", b"\x89s."), "no longer"),
    "stream: no data": (stream(table(GOOD), data=b""), "cut short"),
    "stream: data cut short": (stream(table(GOOD))[:-1], "cut short"),
    "stream: more data": (stream(table(GOOD)) + b"x", "more than its tensors"),
    "stream: no keys": (stream(table(GOOD), keys=()), "list of storages"),
    "stream: keys of a list": (stream(table(GOOD), keys=([],)), "list of storages"),
    "stream: a key twice": (stream(table(GOOD), keys=("0", "0")), "list of storages"),
    "stream: a count beyond all": (stream(table(tensor(part(), count=2**60))), "cut short"),
    "stream: strides of 0": (stream(table(tensor(part(), shape=(9, 9), strides=(0, 0)))), "repeats"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_not_sound_is_refused(tmp_path, case):
    refused(tmp_path / "x.safetensors", *HOSTILE[case])


def test_a_small_file_does_not_mean_much_memory(tmp_path):
    """Thousands of names for the same numbers are not thousands of times as many."""
    text = (
        Steps()
        .raw(b"}")
        .raw(
            b"".join(
                part().value(str(i)).raw(tensor(part(), shape=(10**4,), count=10**4).text).text + b"s"
                for i in range(500)
            )
        )
    )
    refused(tmp_path / "x.pt", archive(text.done(), {"data/0": bytes(4 * 10**4)}), "far larger than the file")


PAYLOADS = {
    "os.system": lambda mark: call("os", "system", f"touch {mark}"),
    "posix.system": lambda mark: call("posix", "system", f"touch {mark}"),
    "builtins.eval": lambda mark: call("builtins", "eval", f"open({str(mark)!r}, 'w')"),
    "builtins.exec": lambda mark: call("builtins", "exec", f"open({str(mark)!r}, 'w')"),
    "open": lambda mark: call("builtins", "open", str(mark), "w"),
    "pathlib, and a state": lambda mark: call("pathlib", "Path", str(mark)).raw(b"}b"),
    "subprocess, as a new object": lambda mark: (
        part().name("subprocess", "Popen").value((["touch", str(mark)],)).raw(b"\x81")
    ),
    "numpy's loader": lambda mark: call("numpy.lib.npyio", "load", str(mark), None, True),
    "torch's loader": lambda _: call("torch.storage", "_load_from_bytes", b"\x80\x02cos\nsystem\n."),
    "torch.hub": lambda _: call("torch.hub", "load", "someone/something"),
    "a class of ours": lambda mark: call("unnoise.media.atomic", "write", str(mark), b"x"),
    "by a storage's type": lambda _: tensor(part(), kind=("os", "system")),
    "by a tensor's hooks": lambda mark: (
        part()
        .name("torch._utils", "_rebuild_tensor_v2")
        .raw(b"(" + storage(part()).text)
        .raw(part().value(0).value((4,)).value((1,)).text + b"\x89")
        .raw(call("os", "system", f"touch {mark}").text + b"tR")
    ),
    "by a tensor's class": lambda mark: (
        part()
        .name("torch._tensor", "_rebuild_from_type_v2")
        .raw(b"(")
        .name("os", "system")
        .name("os", "system")
        .value((f"touch {mark}",))
        .raw(b"NtR")
    ),
}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("form", [archive, stream], ids=["archive", "stream"])
def test_nothing_is_executed(tmp_path, payload, form):
    """Neither where a tensor stands nor beside it; and the tensors beside a payload are read all the same."""
    mark, path = tmp_path / "mark", tmp_path / "x.ckpt"
    for around in (table(PAYLOADS[payload](mark)), table(GOOD, PAYLOADS[payload](mark))):
        path.write_bytes(form(around))
        for read in (read_header, open_tensors, read_pickle):
            try:
                read(path)
            except Refused as error:
                assert "x.ckpt" in str(error)
            assert not mark.exists()


def test_no_memory_is_taken_by_what_a_file_says(tmp_path):
    """Bombs read in a process that may have 200 MB, the interpreter's own included."""
    bombs = {
        "memo": archive(Steps().raw(b"Nr\xff\xff\xff\x7f").done()),
        "frame": archive(b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"}."),
        "lists": archive(Steps().raw(b"]" * (STEPS - 2)).done()),
        "strides": archive(table(tensor(part(), shape=(10**6, 10**6), strides=(0, 0)))),
        "deflated": archive(table(GOOD), {"data/0": bytes(64 * 2**20)}, zipfile.ZIP_DEFLATED),
        "gguf count": hostile.gguf(counts=(2**60, 0)),
        "gguf text": hostile.gguf(said=[struct.pack("<Q", 2**62)]),
        "gguf list": hostile.gguf(said=[hostile.text("k") + struct.pack("<IIQ", 9, 8, 2**60)]),
        "header": hostile.safetensors(b"{" + b" " * 1000, length=2**40),
        "shape": hostile.safetensors({"a": hostile.entry(shape=[2**40, 2**40])}, b"1234"),
    }
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
    code = f"""
import resource, sys, time
from pathlib import Path
from unnoise.core.error import Refused
from unnoise.weights.header import read_header
resource.setrlimit(resource.RLIMIT_AS, (200 * 2**20,) * 2)
for path in sorted(Path({str(tmp_path)!r}).iterdir()):
    try:
        read_header(path)
        print("read", path.name)
    except Refused as refused:
        print("refused", path.name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[:-1] == [f"refused {name}" for name in sorted(bombs)], done.stdout + done.stderr


def test_what_holds_itself_many_times_is_not_printed(tmp_path):
    """A table's name that is a note of a pair of pairs of pairs, ever on: written out, it would have 2^60 parts."""
    pairs = part().value(1).raw(b"q\x01" + b"h\x01\x86q\x01" * 60)
    name = part().name("a", "b").raw(b"(").raw(pairs.text + b"tR")
    inner = part().raw(b"}").value("w").raw(tensor(part()).text + b"s")
    (tmp_path / "x.pt").write_bytes(archive(Steps().raw(b"}").raw(name.text).raw(inner.text + b"s").done()))
    with pytest.raises(Refused, match="0 tensors"):
        read_header(tmp_path / "x.pt")
    (key,) = read_pickle(tmp_path / "x.pt")
    assert isinstance(key, Opaque) and len(repr(key)) < 100


def test_real_files_are_the_same_from_both_formats(shared):
    for half in ("encoder", "decoder"):
        old, new = (open_tensors(shared / f"fixtures/autoencoders/taef2_{half}{e}") for e in (".pth", ".safetensors"))
        assert len(old) == 79 and old.keys() == new.keys()
        assert all(torch.equal(old[name], new[name]) for name in old)
    lora = open_tensors(shared / "fixtures/lora/weapons_sd15_rank4.bin")
    assert lora.header.parameters == 797_184 and len(lora) == 256
    word = open_tensors(shared / "fixtures/embeddings/cat-toy_learned_embeds.bin")
    assert {k: v.shape for k, v in word.items()} == {"<cat-toy>": (768,)}


def test_a_file_is_what_it_begins_with_whatever_its_name(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "x.SafeTensors")
    assert read_header(tmp_path / "x.SafeTensors").kind == "torch"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        out.writestr("readme.txt", "hello")
    refused(tmp_path / "y.safetensors", made.getvalue(), "none that torch.save wrote")
