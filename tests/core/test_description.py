"""What a description says where nobody said anything."""

from unnoise.core.description import Description


def test_what_is_not_known_is_not_claimed():
    made = Description(name="a", family="native", width=8, height=8, multiple=1)
    assert (made.parameters, made.files, made.facts, made.defaults, made.classes) == (0, {}, {}, {}, ())
    assert (made.largest, made.channels, made.guidance, made.prompts) == (2048, 3, "free", "text")
