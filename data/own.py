"""Files of a user's own: named by a path, pinned by what they hold, and code in them loaded under a name that lasts.

A module from a path is called after the file, its content and its path, as a part of this module, so another process
that unpickles something of it finds and reads the same file, or refuses one that has changed. Nothing is written
beside the file.
"""

from __future__ import annotations

import base64
import importlib.abc
import re
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

__path__: list[str] = []  # modules from paths are parts of this one; ``_Finder`` finds them
_TEXT = re.compile(r"(?P<path>.+\.(?:py|toml))(?::(?P<name>[A-Za-z_]\w*))?(?:#sha256=(?P<sha256>[0-9a-f]{64}))?")
_SHOWN = 12  # hexadecimal digits of a hash in names


class OwnFileError(ValueError):
    """A file of a user's own cannot be used: it is not there, has changed, does not load, or may not be run."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A file, or what it calls by a name: ``mine.py``, ``mine.py:Class``, ``mine.toml``.

    As text it is pinned with ``#sha256=...``: the hash of what the file held when it was given.
    """

    path: str
    name: str | None = None  # of what is meant in the file
    sha256: str | None = None

    def __str__(self) -> str:
        name = "" if self.name is None else f":{self.name}"
        return f"{self.path}{name}" + ("" if self.sha256 is None else f"#sha256={self.sha256}")

    @property
    def stem(self) -> str:
        return Path(self.path).stem

    @property
    def is_code(self) -> bool:
        return self.path.endswith(".py")

    def read(self) -> bytes:
        """Read the file.

        Raises:
            OwnFileError: there is none, or it holds something else than when it was pinned.
        """
        path = Path(self.path)
        if not path.is_file():
            raise OwnFileError(f"{self.path}: no such file")
        content = path.read_bytes()
        if self.sha256 is not None and sha256(content).hexdigest() != self.sha256:
            raise OwnFileError(f"{self.path}: has changed, expected SHA-256 {self.sha256}; give the file once more")
        return content


def reference_of(given: Any) -> Reference | None:
    """Read the text or path of a file of one's own; none: it is no such text."""
    found = _TEXT.fullmatch(str(given)) if isinstance(given, str | Path) else None
    return None if found is None else Reference(**found.groupdict())


def pinned(given: Any, folder: str | Path | None = None) -> Any:
    """Give a reference to a file as text with its absolute path and hash; everything else as it is.

    Args:
        given: what names a file, or a listed name, or an object.
        folder: from which relative paths count; none: the current one.

    Raises:
        OwnFileError: the file does not exist, or has changed since it was pinned.
    """
    reference = reference_of(given)
    if reference is None:
        return str(given) if isinstance(given, Path) else given
    path = (Path(folder or ".") / Path(reference.path).expanduser()).resolve()
    there = replace(reference, path=str(path))
    return str(replace(there, sha256=sha256(there.read()).hexdigest()))


@lru_cache(maxsize=128)
def load_code(pin: str) -> ModuleType | Any:
    """Import a pinned Python file; give the module, or what it calls by the name that stands in the reference.

    Raises:
        OwnFileError: the file cannot be run, or has no such name.
    """
    reference = reference_of(pin)
    assert reference is not None, pin
    digest = sha256(reference.read()).hexdigest()
    try:
        module = import_module(f"{__name__}.{_module_name(reference.path, digest)}")
    except Exception as error:
        raise OwnFileError(f"{reference.path}: cannot be loaded, {type(error).__name__}: {error}") from error
    if reference.name is None:
        return module
    if reference.name not in vars(module):
        raise OwnFileError(f"{reference.path}: lacks {reference.name}")
    return vars(module)[reference.name]


def _module_name(path: str, digest: str) -> str:
    place = base64.b32encode(path.encode()).decode().rstrip("=").lower()
    stem = re.sub(r"\W", "_", Path(path).stem)
    return f"{stem}_{digest[:_SHOWN]}_{place}"


class _Loader(importlib.abc.SourceLoader):
    """Runs what was read; leaves no bytecode beside a user's file."""

    def __init__(self, path: str, source: bytes) -> None:
        self._path, self._source = path, source

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_data(self, path: str | bytes) -> bytes:
        return self._source


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules from paths by their names, in any process."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith(f"{__name__}."):
            return None
        _, digest, place = fullname.rsplit("_", 2)
        file = base64.b32decode(place.upper() + "=" * (-len(place) % 8)).decode()
        source = Reference(file).read()
        if not sha256(source).hexdigest().startswith(digest):
            raise ImportError(f"{file}: has changed since it was loaded; load it once more", name=fullname)
        return spec_from_loader(fullname, _Loader(file, source))


if not any(type(finder).__name__ == _Finder.__name__ for finder in sys.meta_path):
    sys.meta_path.append(_Finder())
