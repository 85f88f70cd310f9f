"""The command line: finds the command, and turns what goes wrong into one line and an exit code.

Codes: 0 done, 2 a request that cannot be honoured, 1 anything else, 130 interrupted. No command but the one that is
asked for is imported.
"""

import atexit
import contextlib
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Generator
from types import FrameType
from typing import NoReturn

from unnoise.cli import COMMANDS
from unnoise.core.error import Refused
from unnoise.core.version import __version__

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def run() -> NoReturn:
    """The process `unnoise`, from its command line to its end.

    Once torch is loaded, Python takes half a second to take itself apart. What asked to be called at the end is called,
    and the system takes back the rest at once; but not where a profiler or debugger watches, which has more to say.
    """
    code = main()
    if _watched():
        sys.exit(code)
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]  there is no other way to call them
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def _watched() -> bool:
    """Whether a profiler, a debugger or what measures coverage is at work; from Python 3.12 on they may be tools."""
    monitoring = getattr(sys, "monitoring", None)
    return bool(sys.getprofile() or sys.gettrace() or (monitoring and any(map(monitoring.get_tool, range(6)))))


def main(argv: list[str] | None = None) -> int:
    """Run a command line, sys.argv's by default, and return the process's exit code."""
    _bytes_as_they_are()
    try:
        with _terminable():
            code = _run(sys.argv[1:] if argv is None else argv)
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
    except Refused as refused:
        return _fail(REFUSED, str(refused))
    except KeyboardInterrupt as interrupt:
        return _fail(INTERRUPTED, f"interrupted: {interrupt}" if interrupt.args else "interrupted")
    except BrokenPipeError:
        _abandon_output()
        return FAILED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED if end.code else DONE
    except Exception as error:
        if os.environ.get("UNNOISE_DEBUG"):
            traceback.print_exc()
        if isinstance(error, OSError):
            _abandon_output()
        name = type(error).__name__
        return _fail(FAILED, f"{name}: {error}: this should not happen; UNNOISE_DEBUG=1 shows where it did")


def _run(args: list[str]) -> int:
    if not args:
        raise Refused("no command is given", f"one of {', '.join(COMMANDS)}; or see 'unnoise --help'")
    if args[0] in ("--help", "-h"):
        print(_help())
    elif args[0] in ("--version", "-V"):
        print(f"unnoise {__version__}")
    elif args[0].startswith("-"):
        raise Refused(f"unknown option '{args[0][:60]}'", "a command comes first; see 'unnoise --help'")
    else:
        return COMMANDS[args[0]](args[1:])
    return DONE


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name.ljust(width)}  {COMMANDS.summary(name)}" for name in COMMANDS]
    return "\n".join(
        [
            f"unnoise {__version__}: diffusion models, from training to pictures",
            "",
            "usage: unnoise COMMAND [OPTIONS]",
            "",
            *rows,
            "",
            "'unnoise COMMAND --help' says more; 'unnoise --version' names the version.",
        ]
    )


def _fail(code: int, message: str) -> int:
    """Print one line on standard error, and nothing in it that would move a terminal's cursor."""
    from unnoise.cli._show import plain

    line = plain(" ".join(message.split()))
    with contextlib.suppress(OSError):
        print(f"unnoise: {line}", file=sys.stderr, flush=True)
    return code


def _bytes_as_they_are() -> None:
    """A file's name that is no Unicode is printed as the bytes it is."""
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _abandon_output() -> None:
    """Nobody reads standard output: what is left in it must not fail once more when Python ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _terminable() -> Generator[None]:
    """SIGTERM as Ctrl-C, so that whatever is being written is taken away again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
