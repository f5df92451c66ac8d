"""What a page needs to check the trades of an audited day by itself: entries, paths to a signed root, checkpoints."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gridbazaar.envs.core import Core
from gridbazaar.experiments.audit.audit import origin_of, secret_of
from gridbazaar.experiments.audit.scribe import Scribe
from gridbazaar.market.ledger.log.canonical import CanonicalError, Entry, parse
from gridbazaar.market.ledger.log.merkle import Paths
from gridbazaar.market.ledger.log.note import Checkpoint, Note, NoteError
from gridbazaar.market.ledger.log.store import Record, Stamp
from gridbazaar.market.ledger.verify import opened

_TRADE = re.compile(rb"[0-9]+/trade/[0-9]+")


def audited(path: Path, core: Core, labels: Sequence[str], episode: int, split: str) -> dict[str, Any]:
    """Take the trades of a day out of its ledger, each with its path to the root that its interval signed.

    Nothing is checked here: a ledger that was tampered with gives a page that says so.

    Args:
        path: a ledger, or an export of one, of one of the policies shown.
        core: that played the day.
        labels: the policies shown, as ``evaluate`` names them.
        episode: its number in the split.
        split: test, validation or train.

    Returns:
        The policy (its label), the name of the log and its operator's key (of the run, not of the file), the
        checkpoints as notes, and for each trade its entry, its place in the log and its path, as places in ``nodes``.

    Raises:
        ValueError: it is the ledger of another day.
        UnreadableError: it is no ledger.
    """
    with opened(path) as contents:
        records, stamps = list(contents.records), contents.stamps
    origins = {origin_of(core, label, [episode], split): label for label in labels}
    origin = _origin(path, stamps, origins)
    if len(stamps) != core.n_steps:
        raise ValueError(f"--ledger {path}: it has {len(stamps)} intervals, expected the {core.n_steps} of the episode")
    paths = Paths([record.leaf for record in records])
    operator = Scribe(core, secret_of(core, origin)).operator
    return {
        "policy": origins[origin], "origin": origin, "key": operator.did, "file": path.name,
        "checkpoints": [[stamp.interval, stamp.note] for stamp in stamps],
        "trades": _trades(records, stamps, paths),
        "nodes": base64.b64encode(b"".join(paths.nodes)).decode(),
    }  # fmt: skip


def _origin(path: Path, stamps: Sequence[Stamp], origins: Mapping[str, str]) -> str:
    """Read which log it is; it must be that of a policy that is shown."""
    named = None
    for stamp in stamps:
        try:
            named = Checkpoint.parse(Note.parse(stamp.note).text).origin
        except NoteError:
            continue
        if named in origins:
            return named
    raise ValueError(
        f"--ledger {path}: it is of the log {named!r}, expected {' or '.join(map(repr, origins))}, which "
        "'gridbazaar evaluate SCENARIO --policies POLICY --seeds 1 --ledger FILE' writes; show the policy and the "
        "episode that it is of"
    )


def _trades(records: Sequence[Record], stamps: Sequence[Stamp], paths: Paths) -> list[list[Any]]:
    """[[checkpoint, place in the log, path, entry], ...] of the trades that can be read."""
    found: list[list[Any]] = []
    closing = 0
    for place, record in enumerate(records):
        while closing < len(stamps) and stamps[closing].size <= place:
            closing += 1
        entry = _read(record)
        if closing < len(stamps) and (entry.get("kind") == "trade" or _TRADE.fullmatch(record.txid or b"")):
            size = min(stamps[closing].size, len(records))
            found.append([closing, place, paths.proof(place, size), entry])
    return found


def _read(record: Record) -> Entry:
    """Read a body; one that is no canonical JSON any more keeps the name under which it is filed."""
    try:
        return {} if record.body is None else parse(record.body)
    except CanonicalError as error:
        return {"txid": (record.txid or b"").decode(errors="replace"), "unreadable": str(error)}
