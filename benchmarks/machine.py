"""The machine a figure was measured on, in words. Every table here ends with it."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def processor() -> str:
    """The processor's name as the system gives it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def installed(name: str) -> str:
    """A distribution's version, or `none`."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def describe() -> str:
    """One line: processor, cores, system, and the versions that figures depend on."""
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"{processor()}, {cores()} cores{busy}, {platform.system()} {platform.machine()}, Python {python}, "
        f"torch {installed('torch')}, unnoise {installed('unnoise')}"
    )
