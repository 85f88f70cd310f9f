"""README and docs: their Python runs, and so does every `unnoise` command they show.

A block after `<!-- not run: reason -->` is left out.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))) if p.exists()]
BLOCK = re.compile(r"(?P<mark><!-- not run: [^>]+-->\s*\n)?^```(?P<kind>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
# Lines of a shell block that are about the environment, which whoever runs the tests already has.
ENVIRONMENT = ("#", "cd ", "git ", "make", "pip ", "python -m venv", "source ")


@dataclass(frozen=True)
class Block:
    kind: str
    code: str
    line: int


def blocks(text: str) -> list[Block]:
    found = [m for m in BLOCK.finditer(text) if not m["mark"]]
    return [Block(m["kind"], m["code"], text.count("\n", 0, m.start("code")) + 1) for m in found]


def commands(block: Block) -> list[str]:
    """The `unnoise` lines of a shell block, continued lines joined."""
    lines = [li.strip().removeprefix("$ ") for li in block.code.replace("\\\n", " ").splitlines()]
    lines = [li for li in lines if li and not li.startswith(ENVIRONMENT)]
    other = [li for li in lines if li.split()[0] != "unnoise"]
    assert not other, f"line {block.line}: only `unnoise` commands can be tried; mark the block `<!-- not run: why -->`"
    return lines


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_code_blocks_run(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order and in one folder, so that a block may go on from the one before."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(document.read_text(encoding="utf-8")):
        if block.kind == "python":
            exec(compile("\n" * (block.line - 1) + block.code, str(document), "exec"), names)
        elif block.kind in ("bash", "sh", "console", "shell"):
            for command in commands(block):
                run(command, f"{document.name}, line {block.line}")


def run(command: str, where: str) -> None:
    binaries = Path(sys.executable).parent
    if not (binaries / "unnoise").exists():
        pytest.skip("the command `unnoise` is not installed; `make test` installs it")
    home = str(Path.cwd() / ".unnoise")  # presets and measurements of a person's own stay untouched
    places = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "UNNOISE_HOME": home}
    done = subprocess.run(["bash", "-c", command], env=places, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{where}: {command}\n{done.stdout}{done.stderr}"


def test_a_failing_block_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    fence = "```"
    page.write_text(
        f"<!-- not run: it fails -->\n{fence}python\n1 / 0\n{fence}\n\n"
        f"{fence}python\nhere = 1\n{fence}\n{fence}python\nassert here == 2\n{fence}\n"
    )
    with pytest.raises(AssertionError):
        test_code_blocks_run(page, tmp_path, monkeypatch)
    assert [b.line for b in blocks(page.read_text())] == [7, 10]


def test_a_command_that_is_not_ours_has_to_be_marked() -> None:
    assert commands(Block("bash", "make demo\nunnoise generate \\\n  'a fox'\n", 1)) == ["unnoise generate    'a fox'"]
    with pytest.raises(AssertionError, match="not run"):
        commands(Block("bash", "rm -rf out\n", 1))
