"""What a request says of ControlNets is read whole, and what cannot be is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.adapters.control import WantedControl, parsed_control
from unnoise.core.error import Refused


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("canny:image=a.png", WantedControl("canny", "a.png")),
        ("C:\\nets\\x.pth:image=C:\\a.png", WantedControl("C:\\nets\\x.pth", "C:\\a.png")),
        ("x:weight=0.5,image=a, b=c.png,end=0.75", WantedControl("x", "a, b=c.png", 0.5, 0.0, 0.75)),
        ("x:image=a:weight=2.png,start=0.1", WantedControl("x", "a:weight=2.png", 1.0, 0.1)),
        ("x:image=a,weight=-1e0", WantedControl("x", "a", -1.0)),
    ],
)
def test_read(spec, found):
    assert parsed_control(spec) == found


@given(
    st.sampled_from(["a", "b.safetensors", "C:\\x y.pth"]),
    st.sampled_from(["0" * 64, "a,b.png", "C:\\c.png"]),
    st.floats(0.001, 10) | st.floats(-10, -0.001),
    st.integers(0, 99),
    st.integers(1, 100),
)
def test_written_and_read_again_it_is_the_same(name, image, weight, start, length):
    wanted = WantedControl(name, image, float(f"{weight:.12g}"), start / 100, min(1.0, (start + length) / 100))
    assert parsed_control(str(wanted)) == wanted


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "names no file"),
        (":image=a.png", "names no file"),
        ("x\0:image=a.png", "names no file"),
        ("x", "no picture"),
        ("x:weight=1", "no picture"),
        ("x:image=", "no picture"),
        ("x:image=a,image=b", "image twice"),
        ("x:image=a,weight=0", "leave it out"),
        ("x:image=a,weight=nan", "weight=nan"),
        ("x:image=a,weight=much", "weight=much"),
        ("x:image=a,weight=11", "from -10 to 10"),
        ("x:image=a,start=0.5,end=0.5", "start before end"),
        ("x:image=a,start=0.6,end=0.5", "start before end"),
        ("x:image=a,start=-0.1", "start before end"),
        ("x:image=a,end=1.5", "start before end"),
        ("x:image=a,end=inf", "end=inf"),
    ],
)
def test_refused(spec, said):
    with pytest.raises(Refused, match=said) as found:
        parsed_control(spec)
    assert found.value.field == "control" and "\n" not in str(found.value)
