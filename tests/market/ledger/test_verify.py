"""Checking a ledger without its file: exports with bodies withheld, proofs of one entry and of growth, witnesses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridbazaar.market.ledger.log.canonical import Entry
from gridbazaar.market.ledger.log.jsonl import Exported, write_export
from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.ledger.log.note import COSIGNATURE, Note, NoteError, NoteKey
from gridbazaar.market.ledger.log.proofs import (
    Grown,
    Included,
    ProofError,
    Signed,
    check_proof,
    cosign_last,
    prove_consistency,
    prove_inclusion,
)
from gridbazaar.market.ledger.log.store import UnreadableError, reading
from gridbazaar.market.ledger.verify import Rules, examine
from tests.market.ledger.fakes import (
    OPERATOR,
    ORIGIN,
    RULES,
    CashBooks,
    batch,
    edit,
    found,
    no_bus_prices,
    open_ledger,
    pay,
)

KEY = Signed(OPERATOR.public_key, ORIGIN)
DSO, DSO_KEY = Signer(b"\x11" * 32), NoteKey("dso", Signer(b"\x11" * 32).public_key, COSIGNATURE)


def noted(interval: int) -> list[Entry]:
    """A batch with two remarks, one of them salted."""
    salted = {"kind": "note", "txid": f"n-{interval}", "text": "hush", "salt": f"{interval:032x}"}
    return [*batch(interval), salted, {"kind": "note", "txid": f"m-{interval}", "text": "hello"}]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return extended(tmp_path / "village.db", range(4))


def extended(path: Path, intervals: range) -> Path:
    with open_ledger(path) as ledger:
        for interval in intervals:
            ledger.commit(interval, noted(interval))
    return path


def notes(path: Path) -> list[str]:
    with reading(path) as contents:
        return [stamp.note for stamp in contents.stamps]


def exported(path: Path, *withhold: str) -> tuple[Path, Exported]:
    out = io.StringIO()
    with reading(path) as contents:
        summary = write_export(contents, out, withhold)
    copy = path.with_suffix(".jsonl")
    copy.write_text(out.getvalue(), encoding="utf-8", newline="")
    return copy, summary


def changed(path: Path, number: int, change: Any) -> Path:
    """Change one line of an export (None takes it out)."""
    lines = path.read_text().splitlines()
    line = change(json.loads(lines[number]))
    lines[number : number + 1] = [] if line is None else [rfc8785.dumps(line).decode()]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_an_export_is_checked_like_the_file(path: Path) -> None:
    copy, summary = exported(path)
    assert summary == Exported(28, 0, 0)
    assert found(copy, notes(path)) == []
    lines = [json.loads(line) for line in copy.read_text().splitlines()]
    assert lines[0] == {"format": "gridbazaar-ledger/1"}
    assert lines[1] == {"body": noted(0)[0], "interval": 0, "seq": 0}
    assert lines[8] == {"checkpoint": notes(path)[0]}
    assert len(lines) == 1 + 28 + 4


def test_an_export_without_some_bodies_still_has_the_signed_roots(path: Path) -> None:
    copy, summary = exported(path, "note")
    assert summary == Exported(28, 8, 4)
    assert "hush" not in copy.read_text()
    assert "n-0" not in copy.read_text()
    report = examine(copy, *KEY, notes(path), by=RULES)
    assert (report.findings, report.n_entries, report.n_withheld) == ([], 28, 8)


def test_what_is_left_when_bodies_are_withheld_is_held_to_totals(path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def totals(interval: int, entries: Any) -> list[str]:
        seen.append((interval, len(entries)))
        return [f"paid {sum(e['amount'] for e in entries)}"] if interval == 2 else []

    copy, _ = exported(path, "note")
    report = examine(copy, *KEY, by=Rules(CashBooks, lambda *_: ["not called"], totals, no_bus_prices))
    assert seen == [(i, 5) for i in range(4)]
    assert [str(f) for f in report.findings] == ["interval 2: paid 5046"]


def test_all_entries_of_an_interval_are_looked_at_together(path: Path) -> None:
    copy, _ = exported(path)
    for file in (path, copy):
        by = Rules(CashBooks, lambda i, e: [f"{len(e)} entries"], lambda *_: ["not called"], no_bus_prices)
        report = examine(file, *KEY, by=by)
        assert [str(f) for f in report.findings] == [f"interval {i}: 7 entries" for i in range(4)]


@pytest.mark.parametrize(
    ("number", "change", "first"),
    [
        (3, lambda line: line | {"body": line["body"] | {"amount": 9}}, "interval 0: entries 0 to 6 do not have the"),
        (6, lambda line: line | {"leaf": "00" * 32}, "interval 0: entries 0 to 6 do not have the signed root"),
        (6, lambda _: None, "expected entry 5, found entry 6"),
        (3, lambda line: line | {"interval": 1}, "entry 2, interval 0: the entry is filed under interval 1"),
        (8, lambda _: None, "entry 0, interval 1: the entry is filed under interval 0"),
        (8, lambda line: {"checkpoint": line["checkpoint"].replace("\n7\n", "\n6\n")}, "interval 0: checkpoint is not"),
        (8, lambda _: {"checkpoint": "no"}, "interval -1: expected a signed note"),
    ],
)
def test_a_changed_export_is_named(path: Path, number: int, change: Any, first: str) -> None:
    copy = changed(exported(path, "note")[0], number, change)
    assert any(line.startswith(first) for line in found(copy)), found(copy)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "line 3: body is not JSON"),
        (b'{"a":1}', "line 3: it has the keys a, expected an entry or a checkpoint"),
        (b'{"checkpoint":5}', "line 3"),
        (b'{"interval":0,"leaf":"00","seq":1}', "line 3"),
        (b'{"interval":0,"leaf":"zz","seq":1}', "line 3"),
        (b'{"body":{},"interval":true,"seq":1}', "line 3"),
        (b'{"body":{},"interval":0,"leaf":"","seq":1}', "line 3"),
        (b"[" * 60_000, "line 3: body is nested deeper"),
        (b"[" * 200_000, "line 3: body is nested deeper"),
        (b'{"body":{"a":' + b"9" * 5000 + b'},"interval":0,"seq":1}', "expected less than 2"),
        (b'{"body":{"a":1,"a":2},"interval":0,"seq":1}', "not canonical"),
        (b"\xff", "not UTF-8"),
        (b"", "line 3: body is not JSON"),
    ],
)
def test_a_hostile_line_is_unreadable_by_number(path: Path, text: bytes, why: str) -> None:
    copy, _ = exported(path)
    lines = copy.read_bytes().splitlines()
    copy.write_bytes(b"\n".join([*lines[:2], text, *lines[3:]]) + b"\n")
    with pytest.raises(UnreadableError, match=why):
        found(copy)


def test_an_export_cut_in_half_is_unreadable_or_lacks_entries(path: Path) -> None:
    copy, _ = exported(path)
    whole = copy.read_bytes()
    copy.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableError, match="not JSON"):
        found(copy)
    copy.write_bytes(whole[: len(whole) // 2].rpartition(b"\n")[0] + b"\n")
    assert any("have no checkpoint" in line for line in found(copy))
    assert len(found(copy, notes(path)[-1:])) == 2


def test_a_trusted_checkpoint_of_another_log_is_no_finding_but_a_mistake(path: Path) -> None:
    foreign = Note.parse(notes(path)[1]).text.replace("village", "street")
    with pytest.raises(NoteError, match="expected a signed note"):
        found(path, ["kept"])
    with pytest.raises(NoteError, match="of log"):
        found(path, [foreign + "\n— a AAAAAAAA\n"])


def test_every_transaction_has_a_proof(path: Path) -> None:
    copy, _ = exported(path, "note")
    for interval in range(4):
        for position, entry in enumerate(noted(interval)):
            with reading(path) as contents:
                proof = prove_inclusion(contents, entry["txid"])
            shown = check_proof(proof, *KEY)
            assert isinstance(shown, Included)
            assert (shown.entry, shown.position, shown.checkpoint.size) == (entry, 7 * interval + position, 28)
    assert copy.exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda p: p | {"index": 9}, "is not entry 9 of the 28"),
        (lambda p: p | {"index": -1}, "is not entry -1"),
        (lambda p: p | {"index": True}, "index is no int"),
        (lambda p: p | {"entry": p["entry"] | {"amount": 12}}, "is not entry 8"),
        (lambda p: p | {"hashes": p["hashes"][1:]}, "is not entry 8"),
        (lambda p: p | {"hashes": [h[:-2] for h in p["hashes"]]}, "is not entry 8"),
        (lambda p: p | {"hashes": ["zz"]}, "is not entry 8"),
        (lambda p: p | {"hashes": [5]}, "is not entry 8"),
        (lambda p: p | {"hashes": None}, "hashes is no list"),
        (lambda p: p | {"format": "x"}, "format is 'x'"),
        (lambda p: p | {"entry": {"a": 1.5}}, "holds 1.5"),
        (lambda p: p | {"checkpoint": "x"}, "no checkpoint of this log: expected a signed note"),
        (lambda p: p | {"checkpoint": p["checkpoint"].replace("\n28\n", "\n27\n")}, "not signed with the given key"),
    ],
)
def test_a_changed_proof_proves_nothing(path: Path, change: Any, why: str) -> None:
    with reading(path) as contents:
        proof = json.loads(prove_inclusion(contents, "t-1-0"))
    with pytest.raises(ProofError, match=why):
        check_proof(json.dumps(change(proof), sort_keys=True, separators=(",", ":"), ensure_ascii=False), *KEY)


@given(text=st.text(max_size=80) | st.binary(max_size=80).map(lambda b: b.decode(errors="surrogateescape")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_proof_or_refused(text: str) -> None:
    for candidate in (text, '{"format":"gridbazaar-inclusion/1","hashes":[],' + text, "[" * 200_000):
        with pytest.raises(ProofError):
            check_proof(candidate, *KEY)


def test_a_proof_is_good_for_its_operator_and_log_only(path: Path) -> None:
    with reading(path) as contents:
        proof = prove_inclusion(contents, "t-1-0")
    with pytest.raises(ProofError, match="not signed with the given key"):
        check_proof(proof, DSO.public_key, ORIGIN)
    with pytest.raises(ProofError, match="of log"):
        check_proof(proof, OPERATOR.public_key, "elsewhere")


def test_nothing_is_proved_of_what_is_not_there(path: Path, tmp_path: Path) -> None:
    with reading(path) as contents, pytest.raises(ProofError, match="'t-9-9' is not among the 28 entries"):
        prove_inclusion(contents, "t-9-9")
    open_ledger(tmp_path / "empty.db").close()
    with reading(tmp_path / "empty.db") as contents, pytest.raises(ProofError, match="no checkpoint yet"):
        prove_consistency(contents, notes(path)[0])
    edit(path, ("UPDATE entry SET leaf = ? WHERE seq = 5", (bytes(32),)))
    with reading(path) as contents, pytest.raises(ProofError, match="do not have the root of the last checkpoint"):
        prove_inclusion(contents, "t-1-0")


def test_growth_from_any_checkpoint_is_proved(path: Path) -> None:
    for interval, note in enumerate(notes(path)):
        with reading(path) as contents:
            proof = prove_consistency(contents, note)
        shown = check_proof(proof, *KEY)
        assert isinstance(shown, Grown)
        assert (shown.old.interval, shown.new.interval) == (interval, 3)
        if interval < 3:
            with pytest.raises(ProofError, match="does not begin with the"):
                check_proof(proof.replace('"hashes":["', '"hashes":["' + "00" * 32 + '","'), *KEY)


def test_growth_from_another_past_is_not_proved(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with open_ledger(other) as ledger:
        ledger.commit(0, [pay("x", "bank", "ann", 5)])
        ledger.commit(1, batch(1, 60))
    with reading(path) as contents, pytest.raises(ProofError, match="was rewritten"):
        prove_consistency(contents, notes(other)[0])
    with reading(path) as contents, pytest.raises(ProofError, match="28 entries, the old checkpoint 61: it was cut"):
        prove_consistency(contents, notes(other)[1])


def test_a_witness_signs_only_what_continues_what_it_saw(path: Path, tmp_path: Path) -> None:
    with reading(path) as contents:
        first = cosign_last(contents, None, DSO, "dso", 100, KEY)
    assert Note.parse(first).cosigners([DSO_KEY]) == ["dso"]
    extended(path, range(4, 6))
    with reading(path) as contents:
        second = cosign_last(contents, first, DSO, "dso", 200, KEY)
    assert Note.parse(second).is_signed_by(DSO_KEY)
    assert found(path, [first, second]) == []

    forked = tmp_path / "forked.db"
    with open_ledger(forked) as ledger:
        ledger.commit(0, batch(0, 60))
    with reading(forked) as contents, pytest.raises(ProofError, match="was rewritten"):
        cosign_last(contents, second, DSO, "dso", 300, KEY)
    with reading(path) as contents, pytest.raises(NoteError, match="not signed with the given key"):
        cosign_last(contents, None, DSO, "dso", 300, Signed(DSO.public_key, ORIGIN))


def test_a_witness_hashes_bodies_and_not_what_the_file_says_of_them(path: Path) -> None:
    edit(path, "UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), 'bob', 'eve') AS BLOB) WHERE seq = 1")
    with reading(path) as contents, pytest.raises(ProofError, match="do not have the root"):
        cosign_last(contents, None, DSO, "dso", 100, KEY)
