"""Text files as people bring them: of any usual encoding, packed or not; what holds no text is refused."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zlib
from pathlib import Path
from typing import Any, NoReturn

MOST_BYTES = 2_000_000_000
"""Of a file, unpacked; a century of minutes is far less."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PACKED = {b"PK\x03\x04": "a spreadsheet or a zip archive", b"%PDF": "a PDF", b"\xd0\xcf\x11\xe0": "an old spreadsheet",
           b"PAR1": "Parquet", b"SQLite": "a database"}  # fmt: skip
_LONGEST = 60
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def read_any_text(path: Path) -> tuple[str, str]:
    """Read a text file, packed by gzip or not, and name its encoding: UTF-8, UTF-16, UTF-32, else Windows-1252.

    Raises:
        ValueError: there is no such file, or it holds no text.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "something else" if path.exists() else "nothing"
        raise ValueError(f"{path}: expected a file; {found} is there")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path}: expected at most {MOST_BYTES:,} bytes, got {path.stat().st_size:,}; split it")
        raw = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
    if raw[:2] == b"\x1f\x8b":
        raw = _unpacked(path, raw)
    for mark, what in _PACKED.items():
        if raw.startswith(mark):
            raise ValueError(f"{path}: expected text, this is {what}; save it as text in UTF-8, such as CSV")
    text, encoding = _decoded(path, raw)
    if wrong := _CONTROL.search(text):
        line = text.count("\n", 0, wrong.start()) + 1
        raise ValueError(
            f"{path}: line {line}: expected text, got the control character {wrong[0]!r} (read as {encoding}); "
            "save the file as text in UTF-8, such as CSV"
        )
    return text, encoding


def _unpacked(path: Path, raw: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
            found = packed.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: expected a whole gzip file: {error}; copy it again") from error
    if len(found) > MOST_BYTES:
        raise ValueError(f"{path}: expected at most {MOST_BYTES:,} bytes unpacked; split it")
    return found


def _decoded(path: Path, raw: bytes) -> tuple[str, str]:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            try:
                return raw[len(mark) :].decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}: its mark says {encoding}, but byte {error.start + len(mark)} is none of that; "
                    "save the file as text in UTF-8, such as CSV"
                ) from None
    head = raw[:4000]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(head) > 1 and head[first::2].count(0) > 0.4 * len(head[first::2]) and not head[1 - first :: 2].count(0):
            try:
                return raw.decode(encoding), encoding
            except UnicodeDecodeError:
                break
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        try:
            return raw.decode("cp1252"), "windows-1252"
        except UnicodeDecodeError:
            return raw.decode("latin-1"), "latin-1"


def parse_json(text: str, where: str) -> Any:
    """Read JSON, without NaN and Infinity, which are none; ``ValueError`` names ``where``."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError(f"{where}: expected JSON, got one nested too deep") from None
    except ValueError as error:
        raise ValueError(f"{where}: expected JSON, {error}") from None


def short(text: str) -> str:
    """Give a text for a message, without what is beyond sixty characters."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def said(value: Any) -> str:
    """Write a value that came for a message, shortened; a number of thousands of digits too."""
    try:
        return short(repr(value))
    except ValueError:  # more digits than Python writes
        return "a number of thousands of digits"
