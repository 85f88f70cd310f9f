"""The pickle machine: plain values come out as `pickle` has them, and everything else comes out inert."""

import io
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.weights.pickled import STEPS, Name, Opaque, Unreadable, unpickled


def read(data: bytes, makers=None):
    return unpickled(io.BytesIO(data), makers or {}, lambda said: ("stored", said))


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.tuples(inner),
        st.tuples(inner, inner, inner, inner),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(0, 99), st.none()), inner, max_size=4),
    ),
    max_leaves=20,
)


@given(VALUES, st.integers(2, 5))
def test_plain_values_are_themselves(value, protocol):
    before_bytes = {Name("_codecs", "encode"): str.encode, Name("__builtin__", "bytes"): bytes}  # protocol 2 has none
    assert read(pickle.dumps(value, protocol), before_bytes) == value


@given(st.lists(st.sets(st.integers(0, 9))), st.frozensets(st.integers(0, 9)), st.integers(4, 5))
def test_sets_are_lists_of_the_same(sets, frozen, protocol):
    made, cold = read(pickle.dumps((sets, frozen), protocol))
    assert [set(one) for one in made] == sets and set(cold) == frozen


def test_values_that_are_shared_stay_shared():
    inner = [1]
    made = read(pickle.dumps({"a": inner, "b": inner}))
    assert made["a"] is made["b"]
    inner.append(inner)
    made = read(pickle.dumps(inner))
    assert made[1] is made


class Thing(dict):
    """A table with a state, as programs keep their settings in."""


def test_objects_are_notes_of_what_they_were():
    thing = Thing(a=1)
    thing.more = 2
    made = read(pickle.dumps(thing))
    assert isinstance(made, Opaque) and made.items == {"a": 1} and made.state == {"more": 2}
    assert isinstance(made.of, Name)


def test_only_what_is_handed_in_is_called():
    data = pickle.dumps(complex(1, 2))
    note = read(data)
    assert isinstance(note, Opaque) and note.args == (1.0, 2.0)
    assert read(data, {note.of: lambda a, b: ("called", a, b)}) == ("called", 1.0, 2.0)
    with pytest.raises(Unreadable, match="TypeError"):
        read(data, {note.of: lambda: None})


def test_the_file_stands_behind_the_pickle():
    file = io.BytesIO(pickle.dumps([1]) + pickle.dumps("x") + b"rest")
    assert unpickled(file, {}, str) == [1] and unpickled(file, {}, str) == "x"
    assert file.read() == b"rest"


@given(st.binary(max_size=60), st.integers(0, 5))
def test_any_bytes_are_read_or_unreadable(data, protocol):
    for text in (data, b"\x80" + bytes([protocol]) + data + b"."):
        try:
            read(text)
        except Unreadable as error:
            assert str(error) and "\n" not in str(error)


def test_the_steps_are_counted():
    with pytest.raises(Unreadable, match="steps"):
        read(b"N0" * (STEPS // 2) + b"N.")
