"""A strength reads as what it says, and a file's name may hold anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.adapters.strength import Strength, Wanted, parsed
from unnoise.core.error import Refused


def test_specs():
    assert parsed("style") == Wanted("style")
    assert parsed("style:0.8") == Wanted("style", Strength(0.8))
    assert parsed("a:b.safetensors") == Wanted("a:b.safetensors")
    assert parsed("a:b.safetensors:-1") == Wanted("a:b.safetensors", Strength(-1.0))
    found = parsed("style:text=0.5,network=2").strength
    assert (found.of("network"), found.of("text"), found.of("text_2")) == (2.0, 0.5, 0.5)
    assert parsed("style:text=0").strength.of("network") == 1.0


@pytest.mark.parametrize(
    "spec", ["", ":1", "a:nan", "a:1e9", "a:inf", "a:unet=1", "a:text=x", "a:text=1,text=2", "a\0b", "a:text=1,"]
)
def test_refused(spec):
    with pytest.raises(Refused, match="lora"):
        parsed(spec)


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1), st.floats(-100, 100))
def test_a_written_spec_is_read_back(name, weight):
    weight = float(f"{weight:g}")
    assert parsed(str(Wanted(name, Strength(weight)))) == Wanted(name, Strength(weight))
