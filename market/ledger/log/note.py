"""Signed notes and checkpoints as C2SP writes them, so that tools of transparency logs can read ours.

A note is a text, an empty line, and one line a signature. A checkpoint is a note that says: the log called ``origin``
has ``size`` entries with this Merkle root. A fourth line names the interval that it closes, so that the number is
signed too. A witness adds its cosignature to the note: it saw the log grow from the last checkpoint it signed.
Formats: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from gridbazaar.market.ledger.log.canonical import LARGEST
from gridbazaar.market.ledger.log.keys import Signer, verify_signature
from gridbazaar.market.ledger.log.merkle import HASH_BYTES

ED25519, COSIGNATURE = 1, 4
"""What a key signs: a note as it stands, or a note with the time at which a witness saw it."""

_KINDS = {ED25519: "key", COSIGNATURE: "witness key"}
_MOST_BYTES = 65_536
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


class NoteError(ValueError):
    """A text that is no note, checkpoint or key, or does not bear the signature it should."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key with the name under which it signs; as text ``name+key id+base64``."""

    name: str
    public_key: bytes
    algorithm: int = ED25519

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise NoteError(f"{self.name[:80]!r} is no name of a signer, expected one without spaces and '+'")

    @property
    def key_id(self) -> bytes:
        """Four bytes that say which signature line to try."""
        return sha256(self.name.encode() + b"\n" + self._tagged).digest()[:4]

    @property
    def _tagged(self) -> bytes:
        return bytes([self.algorithm]) + self.public_key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(self._tagged)}"

    @classmethod
    def parse(cls, text: str) -> NoteKey:
        """Read a key as ``str`` writes it."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        tagged = _bytes(encoded)
        if len(tagged) == 1 + HASH_BYTES and tagged[0] in _KINDS and _is_name(name):
            key = cls(name, tagged[1:], tagged[0])
            if key.key_id.hex() == key_id:
                return key
        raise NoteError(f"expected a key as name+id+base64, its id fitting the rest, got {text.strip()[:120]!r}")


class Signature(NamedTuple):
    """One line below a note."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text and who signed it, nothing checked yet."""

    text: str  # ends with a line break
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: str) -> Note:
        """Take a note apart."""
        text, gap, lines = note.rpartition("\n\n")
        if not gap or len(note) > _MOST_BYTES or not lines.endswith("\n") or not _is_text(text):
            raise NoteError("expected a signed note: text, an empty line, signature lines")
        return cls(text + "\n", tuple(_signature(line) for line in lines[:-1].split("\n")))

    def is_signed_by(self, key: NoteKey) -> bool:
        """Say whether one of the lines is this key's valid signature (or cosignature)."""
        return any(
            line.name == key.name and line.key_id == key.key_id and _holds(self.text, line.signature, key)
            for line in self.signatures
        )

    def cosigners(self, witnesses: Iterable[NoteKey]) -> list[str]:
        """Name the witnesses that cosigned; one with two names counts once."""
        found = {key.public_key: key.name for key in witnesses if self.is_signed_by(key)}
        return sorted(found.values())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the operator signs at the end of an interval."""

    origin: str
    size: int
    root: bytes
    interval: int

    def text(self) -> str:
        """Give the lines of the note."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\ninterval {self.interval}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the lines of a note."""
        lines = text.split("\n")
        if len(lines) == 5 and lines[4] == "":
            origin, size, root, last = lines[:4]
            interval = last.removeprefix("interval ")
            numbers = _NUMBER.fullmatch(size) and _NUMBER.fullmatch(interval) and last != interval
            if numbers and int(size) <= LARGEST and int(interval) <= LARGEST and len(_bytes(root)) == HASH_BYTES:
                return cls(origin, int(size), _bytes(root), int(interval))
        raise NoteError("expected a checkpoint: origin, size, base64 of the root, 'interval N'")

    def signed(self, signer: Signer) -> str:
        """Give the note, signed under the name of the log."""
        return sign(self.text(), self.origin, signer)

    @classmethod
    def open(cls, note: str, public_key: bytes, origin: str) -> Checkpoint:
        """Read a checkpoint that must be of this log and signed with this key."""
        opened = Note.parse(note)
        found = cls.parse(opened.text)
        if found.origin != origin:
            raise NoteError(f"checkpoint is of log {found.origin[:80]!r}, expected {origin!r}")
        if not opened.is_signed_by(NoteKey(origin, public_key)):
            raise NoteError("checkpoint is not signed with the given key")
        return found


def sign(text: str, name: str, signer: Signer) -> str:
    """Give the signed note of a text."""
    if not text.endswith("\n") or not _is_text(text[:-1]):
        raise NoteError("expected a text of whole lines without control characters")
    return f"{text}\n{_line(NoteKey(name, signer.public_key), signer.sign(text.encode()))}"


def cosign(note: str, name: str, signer: Signer, time_s: int) -> str:
    """Add a witness's line to a note: it vouches for what it saw until ``time_s`` (Unix seconds)."""
    text = Note.parse(note).text
    signature = signer.sign(_cosigned(text, time_s))
    key = NoteKey(name, signer.public_key, COSIGNATURE)
    return note + _line(key, time_s.to_bytes(8, "big") + signature)


def split_notes(text: str) -> list[str]:
    """Take apart notes that stand one below the other with an empty line between."""
    parts = re.split(r"\n\n+", text.strip("\n"))
    if len(parts) % 2:
        raise NoteError("expected signed notes with an empty line between")
    return [f"{parts[i]}\n\n{parts[i + 1]}\n" for i in range(0, len(parts), 2)]


def join_notes(notes: Iterable[str]) -> str:
    """Write notes one below the other."""
    return "\n".join(notes)


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    blob = _bytes(encoded)
    if dash != "—" or not _is_name(name) or len(blob) < 5:
        raise NoteError(f"expected a signature line '— name base64', got {line[:80]!r}")
    return Signature(name, blob[:4], blob[4:])


def _holds(text: str, signature: bytes, key: NoteKey) -> bool:
    if key.algorithm == ED25519:
        return verify_signature(key.public_key, signature, text.encode())
    time_s = int.from_bytes(signature[:8], "big")
    return verify_signature(key.public_key, signature[8:], _cosigned(text, time_s))


def _cosigned(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def _line(key: NoteKey, signature: bytes) -> str:
    return f"— {key.name} {_base64(key.key_id + signature)}\n"


def _is_name(name: str) -> bool:
    return bool(name) and name.isprintable() and not set(name) & set("+ ")


def _is_text(text: str) -> bool:
    return text.replace("\n", "").isprintable()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    """Decode base64 that is written in the one way; anything else gives no bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if _base64(data) == text else b""
