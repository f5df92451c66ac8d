"""Folders and files of results: nothing overwritten unasked, nothing half-written, versions beside the numbers."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

_PACKAGES = ("gridbazaar", "numpy", "scipy", "pandas", "pettingzoo", "gymnasium", "stable-baselines3", "torch")


# What a folder of ours holds from its beginning; --force replaces no other.
_MARKS = ("config.json", "run/config.json", "results.json", "compare.json", "report.html")


def check_folder(folder: Path, *, force: bool = False) -> None:
    """Refuse a folder that holds something; with ``force`` only one that holds more than results."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; give another folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not force:
            raise FileExistsError(f"{folder} exists; give another folder, or --force to replace it")
        if not any((folder / mark).is_file() for mark in _MARKS) or Path.cwd().is_relative_to(folder.resolve()):
            raise FileExistsError(f"{folder} is not only a folder of results; remove it yourself, or give another one")


def new_folder(folder: Path, *, force: bool = False) -> Path:
    """Make a folder for results; one that holds something is refused, or with ``force`` replaced if that is results."""
    check_folder(folder, force=force)
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def check_file(path: Path, *, force: bool = False) -> None:
    """Refuse to write where a file exists, unless ``force`` is given."""
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder; give a file")
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists; give another file, or --force to replace it")


def write_text(path: Path, text: str) -> None:
    """Write a file so that an interruption leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Write JSON; NumPy numbers and arrays become plain ones, what is no finite number becomes null."""
    write_text(path, to_json(value) + "\n")


def to_json(value: Any) -> str:
    """Give the text of ``write_json``."""
    return json.dumps(_plain(value), indent=1, allow_nan=False)


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
