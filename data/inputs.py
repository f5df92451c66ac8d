"""Files that people bring, read as data: nothing in them is run, and every error names the file.

JSON, TOML, text and NumPy arrays. A device, a pipe or a socket is refused, for it may never end.
"""

from __future__ import annotations

import json
import stat
import tomllib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.text import parse_json

MOST_BYTES = 1 << 30
"""Of a file that is read at once, and of what a packed one holds."""
META = "meta"
"""The member of a file of arrays that holds its JSON."""
_BROKEN = (
    zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, OverflowError, MemoryError, SyntaxError,
    NotImplementedError, RuntimeError, TypeError,
)  # fmt: skip


def check_input(path: str | Path) -> Path:
    """Refuse what is there and is neither a file nor a folder.

    Raises:
        ValueError: it is a device, a pipe or a socket, or its name cannot be one.
    """
    if "\0" in str(path):
        raise ValueError(f"{str(path)!r}: expected the name of a file, got one that cannot be")
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return path
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError(f"{path} is a device, a pipe or a socket; expected a file, so write it to one first")
    return path


def read_text(path: str | Path, encoding: str = "utf-8-sig") -> str:
    """Read a text file that is UTF-8; ``data/text.py`` reads those of other encodings.

    Raises:
        ValueError: it is no such text, too large, or no file.
        OSError: the system cannot read it.
    """
    path = check_input(path)
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"{path} has {size:,} bytes, expected at most {MOST_BYTES:,}")
    held = path.read_bytes()
    try:
        return held.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = held[: error.start].count(b"\n") + 1
        found = f"{held[error.start]:#04x}"
        raise ValueError(f"{path}, line {line}: expected UTF-8, found the byte {found}; save it as UTF-8") from None


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a file that holds one JSON object; NaN and Infinity are none of its numbers."""
    found = parse_json(read_text(path), str(path))
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected a JSON object, got {_word(found)}")
    return found


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file."""
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"{path}: expected TOML, it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path}: expected TOML, {error}") from None


def _word(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def read_arrays(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read arrays and the JSON beside them from an ``.npz`` file; objects that would have to be unpickled are refused.

    Raises:
        ValueError: the file is broken, or is none of these.
    """
    path = check_input(path)
    try:
        with zipfile.ZipFile(path) as packed:
            if (size := sum(member.file_size for member in packed.infolist())) > MOST_BYTES:
                raise ValueError(f"it holds {size:,} bytes, expected at most {MOST_BYTES:,}")
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: np.asarray(held[name]) for name in held.files}
        meta = json.loads(arrays.pop(META).tobytes().decode("utf-8"))
        if not isinstance(meta, dict):
            raise ValueError(f"{META}: expected a JSON object, got {_word(meta)}")
    except FileNotFoundError:
        raise
    except (*_BROKEN, RecursionError) as error:
        why = str(error) or type(error).__name__
        raise ValueError(f"{path}: expected arrays of NumPy (.npz) with a {META}, {why}") from error
    return meta, arrays


def packed_meta(meta: dict[str, Any]) -> NDArray[np.uint8]:
    """Give the array that holds JSON in a file of arrays."""
    return np.frombuffer(json.dumps(meta, allow_nan=False).encode("utf-8"), np.uint8)
