"""A home that cannot be is refused wherever it is asked for."""

import pytest

from unnoise.core.error import Refused
from unnoise.core.home import home


@pytest.mark.parametrize("word", ["~nobody-of-this-name/x", "x" * 5000])
def test_a_home_that_cannot_be(monkeypatch, word):
    monkeypatch.setenv("UNNOISE_HOME", word)
    with pytest.raises(Refused, match=r"cannot be home \((?!\))[^\n]+\)") as refused:
        home()
    assert "(None)" not in str(refused.value) and ".)" not in str(refused.value)


def test_a_home_need_not_be_there(monkeypatch, tmp_path):
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path / "none"))
    assert home() == tmp_path / "none"
