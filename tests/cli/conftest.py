"""A command line to call, in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from unnoise.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def refusal(self) -> str:
        """The one line that says what is wrong and what would do, and nothing besides."""
        assert self.code == 2, (self.code, self.err)
        assert self.out == "", self.out
        said = self.err.splitlines()
        assert len(said) == 1, self.err
        what, colon, remedy = said[0].removeprefix("unnoise: ").partition(": ")
        assert said[0].startswith("unnoise: ")
        assert what and colon and remedy, said[0]
        assert len(said[0]) < 1000 and said[0].isprintable()
        return said[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty; UNNOISE_HOME lies elsewhere."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("UNNOISE_DEBUG", raising=False)
    return here


@pytest.fixture
def unnoise(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command line in this process."""

    def run(*args: object) -> Ended:
        capsys.readouterr()
        code = main([str(a) for a in args])
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def process(folder: Path) -> Callable[..., Ended]:
    """Run a command line in a process of its own; `before` is Python run first in it."""

    def run(*args: str | bytes, before: str = "", stdout: int = subprocess.PIPE) -> Ended:
        code = f"{before}\nfrom unnoise.cli.main import run; run()"
        done = subprocess.run(
            [sys.executable, "-c", code, *args], stdout=stdout, stderr=subprocess.PIPE, env=environment(), timeout=120
        )
        return Ended(done.returncode, os.fsdecode(done.stdout or b""), os.fsdecode(done.stderr))

    return run


def environment() -> dict[str, str]:
    """The environment of a process that finds the same package as the tests do."""
    source = str(Path(import_module("unnoise").__path__[0]).parent)
    return os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}


def files(folder: Path) -> list[str]:
    """Every file under a folder, hidden ones included."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
