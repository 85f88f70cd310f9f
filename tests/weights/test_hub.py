"""Files by name from the hub: what is asked of its library, and what is said where it cannot be had."""

import sys
from types import ModuleType

import pytest

from unnoise.core.error import Refused
from unnoise.weights.hub import fetch


class Missing(Exception):
    """The library's word for a file that is not in a repository."""


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A library that has what it is told to have, and notes what it was asked."""
    module, errors = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.errors")
    module.asked, module.there, errors.EntryNotFoundError = [], {}, Missing
    for switch in ("UNNOISE_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(switch, raising=False)

    def download(repository, name, local_files_only):
        module.asked.append((repository, name, local_files_only))
        if (repository, name) not in module.there:
            raise Missing("404")
        return str(tmp_path / name)

    module.hf_hub_download = download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)
    return module


def test_the_first_file_that_is_there_is_fetched(hub, tmp_path):
    hub.there = {("google/t5-v1_1-xxl", "spiece.model")}
    assert fetch("hub:google/t5-v1_1-xxl", ("tokenizer.json", "spiece.model")) == tmp_path / "spiece.model"
    assert [name for _, name, _ in hub.asked] == ["tokenizer.json", "spiece.model"]


def test_a_folder_within_a_repository(hub, tmp_path):
    hub.there = {("a/b", "tokenizer_2/spiece.model")}
    assert fetch("hub:a/b/tokenizer_2", ("spiece.model",)) == tmp_path / "tokenizer_2" / "spiece.model"


@pytest.mark.parametrize("switch", ["UNNOISE_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize(("value", "kept_out"), [("1", True), ("0", False), ("", False)])
def test_either_switch_keeps_the_network_out(hub, monkeypatch, switch, value, kept_out):
    monkeypatch.setenv(switch, value)
    hub.there = {("a/b", "x")}
    fetch("hub:a/b", ("x",))
    assert hub.asked == [("a/b", "x", kept_out)]
    with pytest.raises(Refused, match="keep the network out" if kept_out else "cannot fetch z from a/b"):
        fetch("hub:a/b", ("z",))


def test_a_network_that_fails_is_said_so_in_one_line(hub):
    def download(*_, **__):
        raise OSError("no route\nto host")

    hub.hf_hub_download = download
    with pytest.raises(Refused, match="no route to host") as refused:
        fetch("hub:a/b", ("x", "y"))
    assert "\n" not in str(refused.value) and refused.value.field == "part"


@pytest.mark.parametrize("word", ["hub:", "hub:a", "hub:/", "hub:a/"])
def test_a_word_without_a_repository_is_refused(hub, word):
    with pytest.raises(Refused, match="names no repository"):
        fetch(word, ("x",))


def test_without_the_library_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(Refused, match=r"install unnoise\[hub\]"):
        fetch("hub:a/b", ("x",))
