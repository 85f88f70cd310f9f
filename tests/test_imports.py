"""What must not load torch: names, help, requests, headers and records are there at once."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(import_module("unnoise").__path__[0])

MODULES = [
    "unnoise",
    "unnoise.adapters.shelf",
    "unnoise.adapters.strength",
    "unnoise.adapters.told",
    "unnoise.catalogue",
    "unnoise.core.description",
    "unnoise.core.error",
    "unnoise.core.event",
    "unnoise.core.level",
    "unnoise.core.prompt",
    "unnoise.core.registry",
    "unnoise.core.sampler",
    "unnoise.core.state",
    "unnoise.core.trajectory",
    "unnoise.media.container",
    "unnoise.media.embed",
    "unnoise.media.record",
    "unnoise.text.prompt",
    "unnoise.weights.header",
    "unnoise.weights.recognise",
]
FOLDERS = {
    "families": "FAMILIES",
    "guidances": "GUIDANCES",
    "samplers": "SAMPLERS",
    "spacings": "SPACINGS",
    "tasks": "TASKS",
}


def there(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def heavy_after(code: str) -> str:
    """What of torch a fresh process has loaded after running this."""
    code += "\nimport sys; sys.stderr.write(' '.join(sorted(m for m in sys.modules if m.split('.')[0] == 'torch')[:3]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("module", [m for m in MODULES if there(m)])
def test_module_loads_no_torch(module: str) -> None:
    assert heavy_after(f"import {module}") == ""


@pytest.mark.parametrize("folder", [f for f in FOLDERS if there(f"unnoise.{f}")])
def test_registry_is_listed_and_described_without_torch(folder: str) -> None:
    listing = f"""
import unnoise.{folder} as folder
registry = getattr(folder, "{FOLDERS[folder]}", None)
if registry is not None:
    assert len(list(registry)) > 0
    assert all(registry.summary(name) for name in registry), "an entry says nothing of itself"
    registry.aliases
"""
    assert heavy_after(listing) == ""


@pytest.mark.parametrize("folder", [f for f in FOLDERS if there(f"unnoise.{f}")])
def test_entries_load_no_torch(folder: str) -> None:
    names = sorted(p.stem for p in (PACKAGE / folder).glob("*.py") if not p.stem.startswith("_"))
    assert names
    assert heavy_after("".join(f"import unnoise.{folder}.{n}\n" for n in names)) == ""


@pytest.mark.skipif(not there("unnoise.cli.main"), reason="there is no command line yet")
@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["list", "samplers"]], ids=" ".join)
def test_command_line_answers_without_torch(arguments: list[str]) -> None:
    code = f"""
import sys
from unnoise.cli.main import main
sys.argv = ["unnoise", *{arguments!r}]
try:
    ended = main()
except SystemExit as end:
    ended = end.code
assert not ended, ended
"""
    assert heavy_after(code) == ""


def test_the_check_sees_torch() -> None:
    assert heavy_after("import torch").startswith("torch")


def test_torchao_is_loaded_when_int8_is_asked_for_alone() -> None:
    code = "import sys, unnoise; unnoise.load('emoji', 'cpu'); assert 'torchao' not in sys.modules"
    assert "torch" in heavy_after(code)
