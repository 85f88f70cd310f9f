"""Archives: the spans are those of the standard library's reader, and what could mislead a reader is refused."""

import io
import struct
import warnings
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.weights.zipped import CENTRAL, END, spans


def zipped(files: dict[str, bytes], comment: bytes = b"", big: bool = False) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        out.comment = comment
        for name, data in files.items():
            with out.open(name, "w", force_zip64=big) as file:
                file.write(data)
    return made.getvalue()


def read(tmp_path, data: bytes) -> dict[str, bytes]:
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    with path.open("rb") as file:
        return {name: data[a:b] for name, (a, b) in spans(path, file, len(data)).items()}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.text("abc/é._0", min_size=1, max_size=9), st.binary(max_size=200), max_size=6),
    st.binary(max_size=40).filter(lambda text: b"PK" not in text),
    st.booleans(),
)
def test_every_file_is_where_its_bytes_are(tmp_path, files, comment, big):
    assert read(tmp_path, zipped(files, comment, big)) == files


def test_a_directory_of_64_bits_is_read(tmp_path):
    """As torch writes it into every large archive."""
    files = {"a/data.pkl": b"x", "a/data/0": bytes(8)}
    data = zipped(files)
    head, end = data[: -END.size], END.unpack(data[-END.size :])
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, end[3], end[4], end[5], end[6])
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(head), 1)
    full = END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert read(tmp_path, head + record + locator + full) == files
    for wrong in (struct.pack("<4sLQL", b"PK\6\7", 0, 2**63, 1), struct.pack("<4sLQL", b"PK\6\7", 0, 3, 1)):
        with pytest.raises(Refused, match="directory"):
            read(tmp_path, head + record + wrong + full)


GOOD = zipped({"a/data.pkl": b"1234", "a/data/0": b"abcdefgh"})
AT = GOOD.index(b"PK\1\2")


def patched(field: int, value: int) -> bytes:
    """The archive with another value in its first file's entry in the directory."""
    said = list(CENTRAL.unpack_from(GOOD, AT))
    said[field] = value
    return GOOD[:AT] + CENTRAL.pack(*said) + GOOD[AT + CENTRAL.size :]


def ended(**fields: int) -> bytes:
    names = ("mark", "disk", "first", "here", "count", "length", "start", "comment")
    said = dict(zip(names, END.unpack(GOOD[-END.size :]), strict=True))
    return GOOD[: -END.size] + END.pack(*(said | fields).values())


def twice() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as out:
            out.writestr("a", b"1")
            out.writestr("a", b"2")
    return made.getvalue()


HOSTILE = {
    "nothing": (b"", "no directory"),
    "no directory": (GOOD[:AT], "no directory"),
    "cut short": (GOOD[:-1], "no directory"),
    "more files than listed": (ended(count=3), "cut short"),
    "files without end": (ended(count=0xFFFF, length=2**26 + 1), "cannot be"),
    "a directory after the end": (ended(start=2**31), "cannot be"),
    "a directory elsewhere": (ended(start=0), "damaged"),
    "a name twice": (twice(), "twice"),
    "encrypted": (patched(3, 1), "encrypted"),
    "compressed": (patched(4, 8), "compressed"),
    "another method": (patched(4, 99), "compressed"),
    "two sizes": (patched(8, 3), "two sizes"),
    "another offset": (patched(16, 7), "not where"),
    "an offset after the end": (patched(16, 2**31), "not where"),
    "another file's offset": (patched(16, GOOD.index(b"PK\3\4", 4)), "not where"),
    "a name of another length": (patched(10, 3), "damaged|not where"),
    "a name without end": (patched(10, 0xFFFF), "damaged"),
    "another name in its own header": (GOOD.replace(b"a/data.pkl", b"b/data.pkl", 1), "not where"),
    "a control character": (GOOD.replace(b"a/data.pkl", b"a\ndata.pkl"), "damaged"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_misleads_is_refused(tmp_path, case):
    data, says = HOSTILE[case]
    with pytest.raises(Refused, match=says):
        read(tmp_path, data)


def test_files_that_overlap_are_refused(tmp_path):
    """One file's header inside another: many such files unfold one run of bytes many times."""
    inner = zipped({"b": b"12345678"})
    local = inner[: inner.index(b"PK\1\2")]
    outer = zipped({"a": local})
    at, end = outer.index(b"PK\1\2"), outer.rindex(b"PK\5\6")
    second = bytearray(inner[inner.index(b"PK\1\2") : inner.rindex(b"PK\5\6")])
    second[42:46] = struct.pack("<L", outer.index(local, 4))
    directory = outer[at:end] + second
    said = [b"PK\5\6", 0, 0, 2, 2, len(directory), at, 0]
    with pytest.raises(Refused, match="overlaps"):
        read(tmp_path, outer[:at] + directory + END.pack(*said))
