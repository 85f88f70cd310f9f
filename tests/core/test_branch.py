"""What a guidance asks for: branches are values, and a view names layers that there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.branch import FREE, NEGATIVE, PAIR, POSITIVE, PROMPT, Branch, View, Viewable
from unnoise.core.error import Refused


def test_branches_are_values():
    assert Branch() == POSITIVE and len({Branch(), POSITIVE, NEGATIVE, FREE, Branch(view=View("apart", (1,)))}) == 4
    assert tuple(PAIR) == ("positive", "negative") and tuple(PROMPT) == ("positive",)
    assert {b.words for b in (POSITIVE, NEGATIVE, FREE)} == {"prompt", "negative", "none"}


@given(st.integers(1, 30), st.lists(st.integers(-2, 40), max_size=4))
def test_layers_are_those_named_the_middle_one_or_refused(count, layers):
    view = View("skipped", tuple(layers))
    if all(0 <= layer < count for layer in layers):
        assert view.among(count, count // 2) == (tuple(layers) or (count // 2,))
        return
    with pytest.raises(Refused, match=f"its layers are 0 to {count - 1}") as refusal:
        view.among(count, count // 2)
    assert refusal.value.field == "guidance"


@pytest.mark.parametrize("layers", [(), (0,)])
def test_a_network_without_layers_is_refused(layers):
    with pytest.raises(Refused):
        View("apart", layers).among(0, 0)


def test_a_network_that_can_be_weakened_says_so_by_its_method():
    class Can:
        def view(self, view):
            return self

    assert isinstance(Can(), Viewable) and not isinstance(object(), Viewable)
