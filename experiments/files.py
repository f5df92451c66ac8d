"""Folders and files of results: nothing overwritten unasked, nothing half-written, versions beside the numbers.

There is one way to write a file, ``replacing``: into a new one beside it, which then takes its name.
"""

from __future__ import annotations

import json
import math
import os
import platform
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

_PACKAGES = ("gridbazaar", "numpy", "scipy", "pandas", "pettingzoo", "gymnasium", "stable-baselines3", "torch")
PARTIAL = ".partial"
"""End of the name of a file that is being written; one that is left was killed and may be removed."""

# What a folder of ours holds from its beginning; --force replaces no other.
_MARKS = (
    "config.json",
    "run/config.json",
    "results.json",
    "compare.json",
    "report.html",
    "data/metadata.json",
    "runs.json",
    "sweep.json",
)


class CannotWriteError(OSError):
    """The system does not let a file be written: the disk is full or read-only, the name is too long."""


def check_outputs(
    outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | str | None] | None = None, *, force: bool = False
) -> None:
    """Refuse files that could not all be written in the end; nothing of it is left.

    Args:
        outputs: by option, as the user knows them.
        inputs: files that are read, likewise; none may be written.
        force: files that exist may be replaced.
    """
    wanted = {option: path for option, path in outputs.items() if path is not None}
    for option, path in wanted.items():
        for other, taken in [*wanted.items(), *(inputs or {}).items()]:
            if other != option and taken is not None and os.path.realpath(taken) == os.path.realpath(path):
                raise ValueError(f"{option} and {other} are the same file, {path}; expected different ones")
    for path in wanted.values():
        check_file(path, force=force)


def check_file(path: Path, *, force: bool = False) -> None:
    """Refuse a file that exists unless ``force`` is given, what is no file, and what the system will not write."""
    target = _target(path)
    if path.is_symlink() and not target.exists() and not force:
        raise FileExistsError(f"{path} is a link to {target}, which does not exist; give a file, or --force to make it")
    if target.exists() and not force:
        raise FileExistsError(f"{path} exists; give another file, or --force to replace it")
    _probe(target)


def check_folder(folder: Path, *, force: bool = False) -> None:
    """Refuse a folder that holds something; with ``force`` only one that holds more than results."""
    if "\0" in str(folder):
        raise ValueError(f"{str(folder)!r} is no name of a folder")
    target = Path(os.path.realpath(folder))
    _probe(target / "any" if os.path.isdir(target) else target)
    if os.path.lexists(folder) and not folder.is_dir():
        raise FileExistsError(f"{folder} is no folder; give another one")
    if folder.is_dir() and _holds_something(folder):
        if not force:
            raise FileExistsError(f"{folder} exists; give another folder, or --force to replace it")
        if not any((folder / mark).is_file() for mark in _MARKS) or Path.cwd().is_relative_to(folder.resolve()):
            raise FileExistsError(f"{folder} is not only a folder of results; remove it yourself, or give another one")


def new_folder(folder: Path, *, force: bool = False) -> Path:
    """Make a folder for results; one that holds something is refused, or with ``force`` replaced if that is results."""
    check_folder(folder, force=force)
    target = Path(os.path.realpath(folder))
    with _said_of(folder):
        if not target.is_dir():
            target.mkdir(parents=True)
        elif _holds_something(target):
            old = target.with_name(_partial_name(target))
            target.rename(old)
            target.mkdir()
            shutil.rmtree(old)
    return folder


def _holds_something(folder: Path) -> bool:
    return any(path.suffix != PARTIAL for path in folder.iterdir())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a new file to write, which takes the name of ``path`` at the end; after an error there is no trace of it.

    A reader sees the old file or the new one, also after a power cut. Links are followed, so that they stay.

    Raises:
        FileExistsError: something stands there that is no file.
        CannotWriteError: the system does not let it be written.
    """
    target = _target(path)
    partial = target.with_name(_partial_name(target))
    with _said_of(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            _kept(partial)
            if target.exists():
                shutil.copymode(target, partial)
            os.replace(partial, target)
            _kept(target.parent)
        finally:
            for end in ("", "-wal", "-shm", "-journal"):  # a database has these beside it
                with suppress(OSError):
                    partial.with_name(partial.name + end).unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a new folder to fill, which takes the name of ``folder`` at the end; after an error nothing of it is left.

    Raises:
        FileExistsError: something stands there, and ``force`` is not given or it is more than results.
        CannotWriteError: the system does not let it be written.
    """
    check_folder(folder, force=force)
    target = Path(os.path.realpath(folder))
    partial = target.with_name(_partial_name(target))
    with _said_of(folder):
        partial.mkdir(parents=True)
        try:
            yield partial
            if target.is_dir():
                old = target.with_name(_partial_name(target))
                target.rename(old)
                partial.rename(target)
                shutil.rmtree(old)
            else:
                partial.rename(target)
            _kept(target.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def write_bytes(path: Path, held: bytes) -> None:
    """Write a file so that an interruption leaves the old one or the new one."""
    with replacing(path) as partial:
        partial.write_bytes(held)


def write_text(path: Path, text: str) -> None:
    """Write a text as ``write_bytes`` does, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON; NumPy numbers and arrays become plain ones, what is no finite number becomes null."""
    write_text(path, to_json(value) + "\n")


def to_json(value: Any) -> str:
    """Give the text of ``write_json``."""
    return json.dumps(_plain(value), indent=1, allow_nan=False)


def _target(path: Path) -> Path:
    """The file that is written, links resolved; what is there and no file is refused."""
    if "\0" in str(path):
        raise ValueError(f"{str(path)!r} is no name of a file")
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return target
    except PermissionError as error:
        raise _cannot_write(path, error) from error
    except OSError as error:  # a name that is too long, links in a circle
        raise _cannot_write(path, error) from error
    if stat.S_ISDIR(mode):
        raise FileExistsError(f"{path} is a folder; give a file")
    if not stat.S_ISREG(mode):
        raise FileExistsError(f"{path} is a device, a pipe or a socket, which is never replaced; give a file")
    return target


def _probe(target: Path) -> None:
    """See that something can be made where a file or folder will be."""
    try:
        there = next((folder for folder in target.parents if os.path.lexists(folder)), target)
        if not there.is_dir():
            raise NotADirectoryError(f"{there} is no folder; give another place than {target}")
        longest = os.pathconf(there, "PC_NAME_MAX")
        if any(len(os.fsencode(part)) > longest for part in target.relative_to(there).parts):
            os.stat(there / ("x" * (longest + 1)))  # says so in the system's words
        partial = there / _partial_name(target)
        partial.open("xb").close()
        partial.unlink()
    except NotADirectoryError:
        raise
    except OSError as error:
        raise _cannot_write(target, error) from error


def _partial_name(target: Path) -> str:
    name = os.fsdecode(os.fsencode(target.name)[:40])
    return f".{name}.{secrets.token_hex(6)}{PARTIAL}"


def _kept(path: Path) -> None:
    """Wait until the disk has it, where the system can say so."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if not path.is_dir():
            os.fsync(fd)
            return
        with suppress(OSError):  # some file systems know no such thing of folders
            os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Say of what could not be written which file it was."""
    try:
        yield
    except (FileExistsError, NotADirectoryError, CannotWriteError):
        raise
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> CannotWriteError:
    return CannotWriteError(error.errno, f"cannot write: {error.strerror or error}", str(path))


def _plain(value: Any) -> Any:
    """Turn a value into what JSON knows."""
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, type) or callable(value):  # of a user's own; its name tells a reader which
        of = value if isinstance(value, type) or hasattr(value, "__qualname__") else type(value)
        return f"{of.__module__}:{of.__qualname__}"
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the packages that numbers depend on."""
    found = {"python": sys.version.split()[0], "platform": platform.platform(), "machine": platform.machine()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
