"""What holds for every command: what is loaded, exit codes, one line for every fault, and quiet ends."""

import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from unnoise import __version__
from unnoise.cli import COMMANDS
from unnoise.core.error import Refused

main = import_module("unnoise.cli.main")


@pytest.fixture
def command(monkeypatch):
    """Put a command of one's own into the place of `generate`."""

    def put(does):
        monkeypatch.setattr(import_module("unnoise.cli.generate"), "command", does)

    return put


def test_help_lists_every_command_with_a_line(unnoise):
    ended = unnoise("--help")
    assert (ended.code, ended.err) == (0, "")
    for name in COMMANDS:
        assert [line for line in ended.lines if line.split()[:1] == [name] and line.endswith(".")], name
    assert {"doctor", "generate", "info", "list", "noise", "train"} <= set(COMMANDS)
    assert all(len(line) <= 120 for line in ended.lines)
    assert unnoise("-h") == ended


def test_version(unnoise):
    assert unnoise("--version").out == f"unnoise {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(unnoise, name):
    ended = unnoise(name, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"usage: unnoise {name}")
    assert "None" not in ended.out and "STR" not in ended.out


@pytest.mark.parametrize("name", [n for n in COMMANDS if n != "train"])
def test_every_option_says_what_it_does(name):
    from unnoise.cli._parse import field_help, options

    asked = import_module(f"unnoise.cli.{name}").Asked
    groups = [asked, *(f for f in asked.__annotations__.values() if isinstance(f, type))]
    helps = {k: v for group in groups for k, v in field_help(group).items()}
    for field in options(asked).values():
        assert helps.get(field.name, "").endswith((".", "...")), field.name


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["generate", "--help"], ["list", "samplers"], ["nonsense"]]
)
def test_answers_load_no_torch_and_no_other_command(process, args):
    loaded = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    modules = process(*args, before=loaded).err.split()
    assert "unnoise.cli.main" in modules
    assert "torch" not in modules and "PIL" not in modules
    commands = {f"unnoise.cli.{name}" for name in COMMANDS} & set(modules)
    assert commands <= {f"unnoise.cli.{args[0]}"}


def test_a_module_can_be_run(folder):
    from cli.conftest import environment

    done = subprocess.run([sys.executable, "-m", "unnoise", "--version"], capture_output=True, env=environment())
    assert (done.returncode, done.stdout.decode()) == (0, f"unnoise {__version__}\n")


def test_argv_is_read_where_none_is_given(process):
    assert process("--version").code == 0
    assert "no command" in process().refusal()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "generate"),
        ([""], "no command"),
        (["generat"], "did you mean 'generate'?"),
        (["Generate"], "did you mean 'generate'?"),
        (["a red fox"], "one of"),
        (["_parse"], "one of"),
        (["main"], "one of"),
        (["../x"], "one of"),
        (["--model", "emoji"], "a command comes first"),
        (["x" * 100_000], "one of"),
        (["\ud800\x1b[2J\n\0"], "one of"),
    ],
)
def test_what_is_no_command_is_refused(unnoise, args, said):
    assert said in unnoise(*args).refusal()


def test_a_refusal_is_one_clean_line(unnoise, command):
    def refuse(args):
        raise Refused("a\nb \x1b[31m\x07", "do\n\nthis \ud800")

    command(refuse)
    assert unnoise("generate").refusal() == "unnoise: a b \\x1b[31m\\x07: do this \\ud800"


def test_a_fault_of_ours_is_one_line_and_a_traceback_on_request(unnoise, command, monkeypatch):
    def fail(args):
        raise KeyError("a thing")

    command(fail)
    ended = unnoise("generate")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1 and "KeyError: 'a thing'" in ended.err and "UNNOISE_DEBUG" in ended.err
    monkeypatch.setenv("UNNOISE_DEBUG", "1")
    assert "Traceback" in unnoise("generate").err


def test_an_interrupt_is_130(unnoise, command):
    def interrupt(args):
        raise KeyboardInterrupt

    command(interrupt)
    ended = unnoise("generate")
    assert (ended.code, ended.out, ended.err) == (130, "", "unnoise: interrupted\n")


def test_sigterm_is_an_interrupt_and_cleans_up(unnoise, command):
    ended = []

    def wait(args):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            ended.append(True)

    before = signal.getsignal(signal.SIGTERM)
    command(wait)
    assert unnoise("generate").code == 130
    assert ended == [True]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reader_that_leaves_is_no_fault(process):
    read, write = os.pipe()
    os.close(read)
    many = "import unnoise.cli.list as l; l._models = lambda: [l.Row('x' * 1000, '')] * 1000"
    try:
        ended = process("list", "models", before=many, stdout=write)
    finally:
        os.close(write)
    assert (ended.code, ended.err) == (1, "")


def test_a_full_standard_output_is_said_once(process):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        ended = process("--help", stdout=full)
    finally:
        os.close(full)
    assert ended.code == 1 and ended.err.count("\n") == 1 and "No space left" in ended.err


@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), (["nonsense"], 2)])
def test_a_process_ends_at_once_and_calls_what_asked_to_be_called(process, words, code):
    late = """
import atexit, os, sys, types, weakref
class Kept:
    def __del__(self, write=os.write): write(2, b"taken apart")
kept = Kept()
weakref.finalize(Kept, os.write, 2, b"finalized")
atexit.register(print, "called")
"""
    ended = process(*words, before=late)
    assert ended.code == code and ended.out.endswith("called\n") and "finalized" in ended.err
    assert "taken apart" not in ended.err
    tool = "sys.monitoring = types.SimpleNamespace(get_tool=lambda number: 'profiler' if number == 2 else None)"
    for watcher in ("sys.setprofile(lambda *_: None)", "sys.settrace(lambda *_: None)", tool):
        watched = process(*words, before=late + watcher)
        assert watched.code == code and "taken apart" in watched.err, watcher
