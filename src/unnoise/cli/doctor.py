"""Check this installation and this machine, and say what to do about what is wrong."""

import importlib
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from unnoise.catalogue import describe, find
from unnoise.cli import _places as places
from unnoise.cli._parse import parse
from unnoise.cli._show import say, say_json
from unnoise.core.error import Refused
from unnoise.core.home import home
from unnoise.core.version import __version__

SHIPPED = "emoji"
LIBRARIES = ("numpy", "pillow", "safetensors", "tokenizers", "tyro")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Check this installation and this machine, and say what to do about what is wrong.

    Args:
        json: One JSON object a line, and nothing else.
    """

    json: bool = False


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        check: what was looked at.
        found: what it is.
        remedy: what would do, where there is a problem; empty where there is none.
    """

    check: str
    found: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return not self.remedy


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise doctor")
    sound = True
    for finding in examine():
        sound = sound and finding.ok
        if asked.json:
            say_json(check=finding.check, ok=finding.ok, found=finding.found, remedy=finding.remedy)
        else:
            tail = "" if finding.ok else f": {finding.remedy}"
            say(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.check:<14}  {finding.found}{tail}")
    return 0 if sound else 1


def examine() -> Iterator[Finding]:
    """Every check, in the order in which people should mend what they find."""
    for check in CHECKS:
        yield check()


def python() -> Finding:
    found = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    return Finding("python", found, "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer")


def package() -> Finding:
    return Finding("unnoise", f"{__version__} in {Path(__file__).parent.parent}")


def libraries() -> Finding:
    found, missing = list[str](), list[str]()
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    remedy = f"pip install {' '.join(missing)}" if missing else ""
    return Finding("libraries", ", ".join([*found, *(f"no {name}" for name in missing)]), remedy)


def torch_itself() -> Finding:
    try:
        import torch
    except Exception as error:  # a broken build fails in many ways
        return Finding("torch", _short(error), "install it again: pip install --force-reinstall torch")
    threads = torch.get_num_threads()
    return Finding("torch", f"{torch.__version__}, {threads} {'threads' if threads > 1 else 'thread'}")


def torchvision() -> Finding:
    """We never use it, but one built for another torch breaks every package that looks for it."""
    if importlib.util.find_spec("torchvision") is None:
        return Finding("torchvision", "not installed, and not needed")
    try:
        importlib.import_module("torchvision")
    except Exception as error:
        return Finding("torchvision", f"broken ({_short(error)})", "pip uninstall torchvision; nothing here needs it")
    return Finding("torchvision", f"{version('torchvision')}, not needed")


def device() -> Finding:
    try:
        import torch

        if torch.cuda.is_available():
            free, whole = (n / 2**30 for n in torch.cuda.mem_get_info())
            return Finding("device", f"cuda, {torch.cuda.get_device_name()}, {free:.1f} of {whole:.1f} GiB free")
        if torch.backends.mps.is_available():
            return Finding("device", "mps")
        return Finding("device", "cpu; no accelerator is there")
    except Exception as error:
        return Finding("device", _short(error), "mend torch or the driver; --device cpu works without")


def processor() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    flags = _cpu_flags()
    fast = sorted(flags & {"amx_bf16", "avx512_bf16", "bf16"})
    said = f"bfloat16 in hardware ({', '.join(fast)})" if fast else "no bfloat16 in hardware; --dtype float32 is faster"
    return Finding("processor", f"{cores} cores; {said if flags else 'features unknown'}")


def memory() -> Finding:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {name: int(rest.split()[0]) / 2**20 for name, _, rest in (line.partition(":") for line in lines)}
        free, whole = sizes["MemAvailable"], sizes["MemTotal"]
    except (OSError, ValueError, KeyError, IndexError):
        return Finding("memory", "unknown")
    remedy = "close other programs: the shipped model needs about 1 GiB" if free < 1 else ""
    return Finding("memory", f"{free:.1f} of {whole:.1f} GiB free", remedy)


def own_folder() -> Finding:
    folder = home()
    try:
        places.probe(folder)
        there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        return Finding("UNNOISE_HOME", f"{folder}, {shutil.disk_usage(there).free / 2**30:.1f} GiB free")
    except (Refused, OSError):
        return Finding("UNNOISE_HOME", f"{folder} cannot be written", "set UNNOISE_HOME to a folder of yours")


def shipped_model() -> Finding:
    try:
        found = describe(SHIPPED)
    except Refused as refused:
        return Finding("shipped model", refused.what, "install unnoise again: pip install --force-reinstall unnoise")
    return Finding("shipped model", f"{SHIPPED}, {found.parameters / 1e6:.1f} M parameters, {find(SHIPPED)}")


CHECKS: tuple[Callable[[], Finding], ...] = (
    python,
    package,
    libraries,
    torch_itself,
    torchvision,
    device,
    processor,
    memory,
    own_folder,
    shipped_model,
)


def _cpu_flags() -> set[str]:
    """What Linux says the processor can do; nothing elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    lines = (line.partition(":") for line in text.splitlines())
    return next((set(rest.split()) for name, _, rest in lines if name.strip() in ("flags", "Features")), set())


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
