"""Proof files: what is needed to check one entry, or the growth of a log, without having the log.

A proof leads to a root, and a root is worth nothing until a checkpoint with the operator's signature bears it; so each
file carries its checkpoints, and the key and the name of the log come from whoever checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gridbazaar.market.ledger.log.canonical import DEEPEST, CanonicalError, Entry, canonical, parse
from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.ledger.log.merkle import (
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
)
from gridbazaar.market.ledger.log.note import Checkpoint, Note, NoteError, cosign
from gridbazaar.market.ledger.log.store import Contents, Record

INCLUSION, CONSISTENCY = "gridbazaar-inclusion/1", "gridbazaar-consistency/1"
_MOST_BYTES = 300_000


class ProofError(ValueError):
    """A proof that cannot be made, or that proves nothing."""


class Signed(NamedTuple):
    """Who signs a log: public key and name of the log."""

    public_key: bytes
    origin: str


@dataclass(frozen=True, slots=True)
class Included:
    """What an inclusion proof shows: this entry stands there in the log of that checkpoint."""

    entry: Entry
    position: int
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Grown:
    """What a consistency proof shows: the log of ``new`` begins with that of ``old``."""

    old: Checkpoint
    new: Checkpoint


def prove_inclusion(contents: Contents, txid: str) -> str:
    """Give the proof file of a transaction under the last checkpoint."""
    leaves: list[bytes] = []
    found: tuple[int, Entry] | None = None
    for record in contents.records:
        leaves.append(record.leaf)
        if found is None and _may_be(record, txid):
            entry = parse(record.body or b"")
            if entry.get("txid") == txid:
                found = (len(leaves) - 1, entry)
    if found is None:
        raise ProofError(f"transaction {txid!r} is not among the {len(leaves)} entries, or its body is withheld")
    note, checkpoint = _last(contents, leaves)
    index, entry = found
    if index >= checkpoint.size:
        raise ProofError(f"transaction {txid!r} is entry {index}, the last checkpoint has {checkpoint.size}")
    hashes = inclusion_proof(leaves[: checkpoint.size], index)
    return _file(INCLUSION, hashes, checkpoint=note, entry=entry, index=index)


def prove_consistency(contents: Contents, old: str) -> str:
    """Give the proof file that the log has grown from an old signed checkpoint to its last one."""
    leaves = [record.leaf for record in contents.records]
    note, _ = _last(contents, leaves)
    return _grown(leaves, old, note)


def cosign_last(contents: Contents, old: str | None, key: Signer, name: str, time_s: int, operator: Signed) -> str:
    """Give the last checkpoint with a witness's cosignature, after checking that it continues the last one it signed.

    Args:
        contents: the log.
        old: the checkpoint that the witness cosigned last, None the first time.
        key: the witness's.
        name: under which it signs.
        time_s: Unix seconds, of the cosignature.
        operator: whose log it must be.
    """
    leaves = [record.leaf if record.body is None else leaf_hash(record.body) for record in contents.records]
    note, _ = _last(contents, leaves)
    Checkpoint.open(note, *operator)
    if old is not None:
        check_proof(_grown(leaves, old, note), *operator)
    return cosign(note, name, key, time_s)


def check_proof(text: str, public_key: bytes, origin: str) -> Included | Grown:
    """Check a proof file of either kind and give what it shows; ``ProofError`` if it shows nothing."""
    try:
        proof = parse(text.strip().encode(), most_bytes=_MOST_BYTES, deepest=DEEPEST + 1)
        hashes = [_unhex(node) for node in _field(proof, "hashes", list)]
        if proof.get("format") == INCLUSION:
            return _check_included(proof, hashes, public_key, origin)
        if proof.get("format") == CONSISTENCY:
            return _check_grown(proof, hashes, public_key, origin)
    except CanonicalError as error:
        raise ProofError(f"no proof file: {error}") from None
    except NoteError as error:
        raise ProofError(f"the proof leads to no checkpoint of this log: {error}") from None
    except UnicodeEncodeError:
        raise ProofError("no proof file: it is not UTF-8") from None
    raise ProofError(f"no proof file: format is {str(proof.get('format'))[:40]!r}")


def _check_included(proof: Entry, hashes: Sequence[bytes], public_key: bytes, origin: str) -> Included:
    checkpoint = Checkpoint.open(_field(proof, "checkpoint", str), public_key, origin)
    entry, index = _field(proof, "entry", dict), _field(proof, "index", int)
    if not check_inclusion(leaf_hash(canonical(entry)), index, checkpoint.size, hashes, checkpoint.root):
        raise ProofError(f"the entry is not entry {index} of the {checkpoint.size} that the checkpoint signs")
    return Included(entry, index, checkpoint)


def _check_grown(proof: Entry, hashes: Sequence[bytes], public_key: bytes, origin: str) -> Grown:
    old, new = (Checkpoint.open(_field(proof, name, str), public_key, origin) for name in ("old", "new"))
    if not check_consistency(old.size, old.root, new.size, new.root, hashes):
        raise ProofError(f"the log of {new.size} entries does not begin with the {old.size} of the old checkpoint")
    return Grown(old, new)


def _grown(leaves: Sequence[bytes], old: str, new: str) -> str:
    before, after = (Checkpoint.parse(Note.parse(note).text) for note in (old, new))
    if not 0 < before.size <= after.size:
        raise ProofError(f"the log has {after.size} entries, the old checkpoint {before.size}: it was cut")
    hashes = consistency_proof(leaves[: after.size], before.size)
    if not check_consistency(before.size, before.root, after.size, after.root, hashes):
        raise ProofError(f"the first {before.size} entries are not those of the old checkpoint: the log was rewritten")
    return _file(CONSISTENCY, hashes, old=old, new=new)


def _last(contents: Contents, leaves: Sequence[bytes]) -> tuple[str, Checkpoint]:
    """The last checkpoint, if the leaves have its root; whose signature it bears is for the checker to say."""
    if not contents.stamps:
        raise ProofError("the log has no checkpoint yet")
    note = contents.stamps[-1].note
    checkpoint = Checkpoint.parse(Note.parse(note).text)
    if not 0 < checkpoint.size <= len(leaves) or root_of(leaves[: checkpoint.size]) != checkpoint.root:
        raise ProofError("the entries do not have the root of the last checkpoint; see gridbazaar ledger verify")
    return note, checkpoint


def _may_be(record: Record, txid: str) -> bool:
    if record.txid is not None:
        return record.txid == txid.encode()
    return record.body is not None and canonical(txid) in record.body


def _file(form: str, hashes: Sequence[bytes], **fields: Any) -> str:
    """A proof file is canonical JSON as well; only the entry within it is held to the size of an entry."""
    parts = {"format": form, "hashes": [node.hex() for node in hashes]} | fields
    body = ",".join(f"{canonical(name).decode()}:{canonical(parts[name]).decode()}" for name in sorted(parts))
    return f"{{{body}}}\n"


def _field(proof: Entry, name: str, kind: type) -> Any:
    value = proof.get(name)
    if type(value) is not kind:
        raise ProofError(f"no proof file: {name} is no {kind.__name__}")
    return value


def _unhex(node: object) -> bytes:
    try:
        return bytes.fromhex(node) if isinstance(node, str) else b""
    except ValueError:
        return b""
