"""The door of the command line: what every command ends with, and how it says so.

The exit codes stand here and nowhere else; ``docs/ci.md`` tells users of them. Nothing but the standard library is
imported, so that a signal that comes while the rest is loading is answered too.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

DONE, CHECK_FAILED, USAGE, BROKEN, CHANGED, SYSTEM, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 4, 5, 130, 143
"""Done; a check failed; what was asked cannot be done; an error of ours; integers are other ones though figures agree;
the system failed; ctrl-C; told to end."""

_BAD_INPUT = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_EXTRAS = {
    "torch": "train", "stable_baselines3": "train", "tensorboard": "train", "pandapower": "real",
    "pyarrow": "parquet", "minari": "minari", "h5py": "minari", "sb3_contrib": "contrib", "onnxruntime": "onnx",
    "holidays": "bills", "ray": "cluster", "benchmarl": "marl", "torchrl": "marl", "tensordict": "marl",
    "optuna": "sweep",
}  # fmt: skip
_OURS = Path(__file__).resolve().parents[2]


class Terminated(KeyboardInterrupt):
    """The system asked the program to end (SIGTERM)."""


class Carried(BaseException):
    """Carries an error past a library that would answer it in its own way."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def answer(error: BaseException) -> tuple[int, str]:
    """Give the exit code that an error ends with, and the message."""
    match error:
        case Terminated():
            return TERMINATED, "terminated"
        case KeyboardInterrupt():
            return INTERRUPTED, "interrupted"
        case MemoryError():
            return SYSTEM, f"out of memory; ask for less at once{f' ({error})' if str(error) else ''}"
        case ModuleNotFoundError() if (name := (error.name or "").partition(".")[0]) in _EXTRAS:
            return USAGE, f"{name} is not installed; it needs: {how_to_install(name)}"
        case OSError() if type(error).__name__ == "CannotWriteError":
            return SYSTEM, _of_system(error)
        case OSError() if isinstance(error, _BAD_INPUT):
            return USAGE, _of_system(error)
        case OSError():
            return SYSTEM, _of_system(error)
        case ValueError():
            return USAGE, str(error) or repr(error)
        case AssertionError():
            return BROKEN, f"{str(error) or 'what always holds did not'}{_where(error)}"
        case _:
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return BROKEN, f"an error of ours, {what}{_where(error)}; please report it with what --debug shows"


def how_to_install(module: str) -> str:
    """Give the command that installs what a module is missing from; it needs no index that has the project."""
    from importlib.metadata import PackageNotFoundError, requires

    extra = _EXTRAS[module]
    try:
        listed = requires("gridbazaar") or []
    except PackageNotFoundError:
        listed = []
    wanted = [text.partition(";")[0].strip() for text in listed if f'extra == "{extra}"' in text.replace("'", '"')]
    return "pip install " + " ".join(f"'{text}'" for text in wanted or [module.replace("_", "-")])


def run(command: Callable[[], Any], *, debug: bool = False) -> None:
    """Call a command and end the program as it ended; with ``debug`` an error keeps its traceback."""
    with _signals() as came, _streams():
        try:
            command()
            _flush()
        except SystemExit as ended:
            with suppress(OSError):
                _flush()
            if came[0] is not None and ended.code not in (None, DONE, answer(came[0])[0]):
                _stop(came[0], debug=debug)  # a library ended the program in its own way
            raise
        except BaseException as caught:
            error = caught.error if isinstance(caught, Carried) else caught
            if came[0] is not None and not isinstance(error, KeyboardInterrupt):
                error = came[0]  # what a library made of the signal
            _stop(error, debug=debug)


def _stop(error: BaseException, *, debug: bool) -> None:
    code, message = answer(error)
    if debug:
        traceback.print_exception(error)
    with suppress(OSError, ValueError):
        print(f"error: {_printable(message)}", file=sys.stderr, flush=True)
    raise SystemExit(code)


def _of_system(error: OSError) -> str:
    if not error.strerror:
        return str(error) or repr(error)
    where = "standard output" if error.filename is None and error.errno in (errno.ENOSPC, errno.EIO) else error.filename
    return f"{error.strerror}: {where}" if where is not None else f"{error.strerror}"


def _where(error: BaseException) -> str:
    """Name the line of ours from which an error came."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if Path(f.filename).resolve().is_relative_to(_OURS)]
    return f" ({Path(ours[-1].filename).name}, line {ours[-1].lineno})" if ours else ""


def _printable(text: str) -> str:
    """Names of others may hold codes for the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


@contextmanager
def _signals() -> Iterator[list[KeyboardInterrupt | None]]:
    """Turn what ends the program into exceptions, so that files are put in order; give what came."""
    came: list[KeyboardInterrupt | None] = [None]
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def end(number: int, frame: FrameType | None) -> None:
        error = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        came[0] = error
        raise error

    before = {}
    for number, usual in ((signal.SIGTERM, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) is usual:  # who ignores it, or has plans of its own, is left alone
            before[number] = signal.signal(number, end)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Closable(io.RawIOBase):
    """A stream whose reader may go away (``| head``): what is written after that is dropped, the command goes on."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw, self._is_gone = raw, False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, held: Any) -> int:
        size = memoryview(held).nbytes
        if self._is_gone:
            return size
        try:
            return self._raw.write(held) or 0
        except BrokenPipeError:
            self._is_gone = True
            return size
        except OSError:
            self._is_gone = True  # it is said once, not again when the program ends
            raise


@contextmanager
def _streams() -> Iterator[None]:
    """Let output be closed, cut off or of another encoding without harm."""
    for fd in (0, 1, 2):  # a stream that came closed leaves its number to the first file that is opened
        try:
            os.fstat(fd)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    before: dict[str, Any] = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    for name, stream in before.items():
        if stream is None:  # it came closed
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for as long as we run
            continue
        buffer = stream.buffer if isinstance(stream, io.TextIOWrapper) else None
        raw: Any = buffer.raw if isinstance(buffer, io.BufferedWriter) else buffer  # a file itself: -u of Python
        if isinstance(raw, io.FileIO):
            stream.flush()
            safe: Any = io.BufferedWriter(_Closable(raw))
            at_once = stream.line_buffering or name == "stderr"
            wrapped = io.TextIOWrapper(
                safe, encoding=stream.encoding, errors="backslashreplace", line_buffering=at_once
            )  # fmt: skip
            setattr(sys, name, wrapped)
    try:
        yield
    finally:
        for name, stream in before.items():
            with suppress(OSError, ValueError):
                current = getattr(sys, name)
                if current is not None:
                    current.flush()
            setattr(sys, name, stream)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
