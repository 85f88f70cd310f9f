"""Faults that a person can mend are one line each, and several at once are one line, too."""

import pytest

from unnoise.core.error import Refused, together


def refuse(what, remedy="", field=""):
    def attempt():
        raise Refused(what, remedy, field)

    return attempt


def test_a_fault_says_what_is_wrong_and_what_would_do():
    assert str(Refused("no fox", "take a dog")) == "no fox: take a dog"
    assert str(Refused("no fox")) == "no fox"


def test_attempts_that_hold_give_their_values():
    assert together(lambda k=k: k * k for k in range(3)) == [0, 1, 4]


def test_one_fault_is_itself():
    with pytest.raises(Refused) as caught:
        together([lambda: 1, refuse("no fox", "take a dog", "animal"), lambda: 2])
    assert (caught.value.what, caught.value.remedy, caught.value.field) == ("no fox", "take a dog", "animal")


def test_several_are_told_at_once_and_a_remedy_once():
    with pytest.raises(Refused) as caught:
        together([refuse("no fox", "take a dog", "animal"), refuse("no hen", "take a dog"), refuse("no barn")])
    assert str(caught.value) == "no fox; no hen; no barn: take a dog"
    assert caught.value.field == "animal"


def test_what_is_no_such_fault_goes_through():
    with pytest.raises(ZeroDivisionError):
        together([refuse("no fox"), lambda: 1 // 0])
