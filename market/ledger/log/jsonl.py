"""A ledger as lines of JSON: for readers without SQLite, and for owners who keep some bodies to themselves.

A body that is withheld leaves its hash, so every root, signature and proof still holds. The hash of a body that can be
guessed can be tried out; only bodies with a salt are hidden by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from gridbazaar.market.ledger.log.canonical import DEEPEST, MOST_BYTES, CanonicalError, Entry, canonical, parse
from gridbazaar.market.ledger.log.merkle import HASH_BYTES, leaf_hash
from gridbazaar.market.ledger.log.note import Checkpoint, Note, NoteError
from gridbazaar.market.ledger.log.store import Contents, Record, Stamp, UnreadableError

FORMAT = '{"format":"gridbazaar-ledger/1"}'
_LONGEST_LINE = MOST_BYTES + 1024


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds."""

    n_entries: int
    n_withheld: int
    n_unsalted: int  # withheld, but short enough of secrets to be guessed


def write_export(contents: Contents, out: TextIO, withhold: Collection[str] = ()) -> Exported:
    """Write entries and checkpoints, without the bodies of the kinds in ``withhold``."""
    out.write(FORMAT + "\n")
    stamps, n_entries, n_withheld, n_unsalted = iter(contents.stamps), 0, 0, 0
    stamp = next(stamps, None)
    for record in contents.records:
        while stamp is not None and stamp.size <= record.seq:
            out.write(_line({"checkpoint": stamp.note}))
            stamp = next(stamps, None)
        n_entries += 1
        entry = None if record.body is None else _entry(record, record.body)
        if entry is None or str(entry.get("kind")) in withhold:
            n_withheld += 1
            n_unsalted += entry is not None and "salt" not in entry
            out.write(_line({"interval": record.interval, "leaf": record.leaf.hex(), "seq": record.seq}))
        else:
            out.write(_line({"body": entry, "interval": record.interval, "seq": record.seq}))
    for left in (stamp, *stamps):
        if left is not None:
            out.write(_line({"checkpoint": left.note}))
    return Exported(n_entries, n_withheld, n_unsalted)


def is_export(path: Path) -> bool:
    """Say whether a file begins like an export."""
    try:
        with path.open("rb") as file:
            return file.read(len(FORMAT)) == FORMAT.encode()
    except OSError:
        return False


@contextmanager
def reading_export(path: Path) -> Iterator[Contents]:
    """Give the contents of an export; a line that cannot be read is an ``UnreadableError`` with its number."""
    stamps = sorted((_stamp(line) for line in _lines(path, checkpoints=True)), key=lambda stamp: stamp.size)
    yield Contents((_record(line) for line in _lines(path, checkpoints=False)), stamps, None)


def _lines(path: Path, *, checkpoints: bool) -> Iterator[Entry]:
    """Read the lines of one sort."""
    with path.open("rb") as file:
        file.readline(len(FORMAT) + 2)
        number = 1
        while text := file.readline(_LONGEST_LINE):
            number += 1
            if text.startswith(b'{"checkpoint":') != checkpoints:
                continue
            try:
                line = parse(text.removesuffix(b"\n"), most_bytes=_LONGEST_LINE, deepest=DEEPEST + 1)
                if not _is_line(line):
                    raise CanonicalError(f"it has the keys {', '.join(line)[:80]}, expected an entry or a checkpoint")
            except CanonicalError as error:
                raise UnreadableError(f"{path}, line {number}: {error}") from None
            yield line


def _is_line(line: Entry) -> bool:
    match line:
        case {"checkpoint": str(), **rest}:
            return not rest
        case {"seq": seq, "interval": interval, "body": dict(), **rest}:
            return not rest and type(seq) is type(interval) is int
        case {"seq": seq, "interval": interval, "leaf": str(leaf), **rest}:
            return not rest and type(seq) is type(interval) is int and len(_unhex(leaf)) == HASH_BYTES
        case _:
            return False


def _record(line: Entry) -> Record:
    seq, interval = line["seq"], line["interval"]
    if "leaf" in line:
        return Record(seq=seq, txid=None, interval=interval, body=None, leaf=_unhex(line["leaf"]))
    body = canonical(line["body"])
    return Record(seq=seq, txid=None, interval=interval, body=body, leaf=leaf_hash(body))


def _stamp(line: Entry) -> Stamp:
    note = line["checkpoint"]
    try:
        checkpoint = Checkpoint.parse(Note.parse(note).text)
    except NoteError:
        return Stamp(-1, -1, note)  # cannot be placed; is found not to be a note
    return Stamp(checkpoint.size, checkpoint.interval, note)


def _entry(record: Record, body: bytes) -> Entry:
    try:
        return parse(body)
    except CanonicalError as error:
        raise UnreadableError(f"entry {record.seq}: {error}; see gridbazaar ledger verify") from None


def _line(value: Entry) -> str:
    """A line is canonical too; its body may have the size of an entry, so the whole may be longer than one."""
    if "body" not in value:
        return canonical(value).decode() + "\n"
    return f'{{"body":{canonical(value["body"]).decode()},"interval":{value["interval"]},"seq":{value["seq"]}}}\n'


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text) if text == text.lower() else b""
    except ValueError:
        return b""
