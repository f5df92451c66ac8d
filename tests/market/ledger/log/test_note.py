"""Signed notes, checkpoints and witnesses: published vectors, and texts that must not pass."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.ledger.log.note import (
    COSIGNATURE,
    Checkpoint,
    Note,
    NoteError,
    NoteKey,
    cosign,
    join_notes,
    sign,
    split_notes,
)

PETER = NoteKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PETERS = (  # golang.org/x/mod/sumdb/note, the example of the package
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
OPERATOR, OTHER = Signer(b"\x07" * 32), Signer(b"\x08" * 32)
ORIGIN = "village.example/2024"
CHECKPOINT = Checkpoint(ORIGIN, 12, bytes(range(32)), 3)
WITNESSES = {name: Signer(bytes([i]) * 32) for i, name in enumerate(("dso", "aggregator", "community"))}
WITNESS_KEYS = [NoteKey(name, key.public_key, COSIGNATURE) for name, key in WITNESSES.items()]


def test_the_published_note_is_signed_by_its_key() -> None:
    note = Note.parse(PETERS)
    assert note.text.endswith("problem is.\n")
    assert note.is_signed_by(PETER)
    assert PETER.key_id.hex() == "c74f20a3"
    assert str(PETER) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_changed_text_is_signed_by_nobody() -> None:
    assert not Note.parse(PETERS.replace("answer", "matter")).is_signed_by(PETER)
    assert not Note.parse(PETERS.replace("x08go/ZJ", "x08go/ZK")).is_signed_by(PETER)
    assert not Note.parse(PETERS.replace("— PeterNeumann", "— Somebody")).is_signed_by(PETER)


def test_a_checkpoint_is_written_as_four_lines_and_read_again() -> None:
    assert CHECKPOINT.text() == ("village.example/2024\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\ninterval 3\n")
    note = CHECKPOINT.signed(OPERATOR)
    assert Checkpoint.open(note, OPERATOR.public_key, ORIGIN) == CHECKPOINT
    assert CHECKPOINT.signed(OPERATOR) == note


def test_a_checkpoint_of_another_key_or_log_is_refused() -> None:
    note = CHECKPOINT.signed(OPERATOR)
    with pytest.raises(NoteError, match="not signed with the given key"):
        Checkpoint.open(note, OTHER.public_key, ORIGIN)
    with pytest.raises(NoteError, match=r"of log 'village.example/2024', expected 'street'"):
        Checkpoint.open(note, OPERATOR.public_key, "street")
    with pytest.raises(NoteError, match="not signed"):
        Checkpoint.open(note.replace("\n12\n", "\n11\n"), OPERATOR.public_key, ORIGIN)


def test_a_name_that_is_not_the_logs_signs_nothing_for_it() -> None:
    note = sign(CHECKPOINT.text(), "somebody", OPERATOR)
    with pytest.raises(NoteError, match="not signed"):
        Checkpoint.open(note, OPERATOR.public_key, ORIGIN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n1\n",
        "log\n1\nAAAA\ninterval 1\n",
        CHECKPOINT.text() + "more\n",
        CHECKPOINT.text().replace("12", "012"),
        CHECKPOINT.text().replace("12", "-1"),
        CHECKPOINT.text().replace("12", "\uff11\uff12"),
        CHECKPOINT.text().replace("12", "9" * 16),
        CHECKPOINT.text().replace("12", "9" * 5000),
        CHECKPOINT.text().replace("interval 3", "3"),
        CHECKPOINT.text().replace("interval 3", "interval 3.0"),
        CHECKPOINT.text().replace("HB0eHw", "HB0eHx").replace("Hh8=", "Hh9="),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError, match="expected a checkpoint"):
        Checkpoint.parse(text)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("utf-8", "replace")))
def test_any_text_is_a_note_or_refused(text: str) -> None:
    for candidate in (text, PETERS + text, text + PETERS, PETERS[:140] + text + PETERS[140:]):
        try:
            signed = Note.parse(candidate).is_signed_by(PETER)
        except NoteError:
            continue
        assert not signed or candidate.startswith(PETERS)


@pytest.mark.parametrize(
    "text",
    ["PeterNeumann", "PeterNeumann+c74f20a3", "PeterNeumann+c74f20a4+" + str(PETER).split("+")[2],
     str(PETER).replace("ARpc", "Ahpc"), " +c74f20a3+ARpc", str(PETER)[:-1], "x" * 10_000],
)  # fmt: skip
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        NoteKey.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2028b"])
def test_a_name_is_one_word(name: str) -> None:
    with pytest.raises(NoteError, match="no name of a signer"):
        NoteKey(name, OPERATOR.public_key)


def test_a_text_with_control_characters_is_not_signed() -> None:
    for text in ("no line break", "bell\x07\n", "half a pair \ud800\n"):
        with pytest.raises(NoteError):
            sign(text, "log", OPERATOR)


def test_a_cosignature_covers_the_note_and_its_time() -> None:
    """C2SP tlog-cosignature: key id over algorithm 4, eight bytes of time, a signature over time and note."""
    note = cosign(CHECKPOINT.signed(OPERATOR), "dso", WITNESSES["dso"], 1_717_243_200)
    line = note.splitlines()[-1]
    dash, name, encoded = line.split(" ")
    blob = base64.b64decode(encoded)
    assert (dash, name, len(blob)) == ("—", "dso", 4 + 8 + 64)
    assert int.from_bytes(blob[4:12], "big") == 1_717_243_200
    message = b"cosignature/v1\ntime 1717243200\n" + CHECKPOINT.text().encode()
    assert blob[12:] == WITNESSES["dso"].sign(message)
    opened = Note.parse(note)
    assert opened.is_signed_by(WITNESS_KEYS[0])
    assert Checkpoint.open(note, OPERATOR.public_key, ORIGIN) == CHECKPOINT
    earlier = note.replace(encoded, base64.b64encode(blob[:11] + b"\x00" + blob[12:]).decode())
    assert not Note.parse(earlier).is_signed_by(WITNESS_KEYS[0])


def test_k_of_n_witnesses_are_counted_once_each() -> None:
    note = CHECKPOINT.signed(OPERATOR)
    assert Note.parse(note).cosigners(WITNESS_KEYS) == []
    for name in ("dso", "community"):
        note = cosign(note, name, WITNESSES[name], 7)
    note = cosign(note, "dso", WITNESSES["dso"], 8)
    note = cosign(note, "aggregator", OTHER, 9)  # under a name that is another's
    note = cosign(note, "alias", WITNESSES["dso"], 9)
    alias = NoteKey("alias", WITNESSES["dso"].public_key, COSIGNATURE)
    assert Note.parse(note).cosigners(WITNESS_KEYS) == ["community", "dso"]
    assert len(Note.parse(note).cosigners([*WITNESS_KEYS, alias])) == 2


def test_the_operators_signature_is_no_cosignature() -> None:
    note = Note.parse(CHECKPOINT.signed(OPERATOR))
    assert note.is_signed_by(NoteKey(ORIGIN, OPERATOR.public_key))
    assert not note.is_signed_by(NoteKey(ORIGIN, OPERATOR.public_key, COSIGNATURE))


def test_notes_below_each_other_are_taken_apart() -> None:
    notes = [Checkpoint(ORIGIN, n, bytes(32), n).signed(OPERATOR) for n in range(4)]
    notes[2] = cosign(notes[2], "dso", WITNESSES["dso"], 5)
    assert split_notes(join_notes(notes)) == notes
    with pytest.raises(NoteError, match="empty line between"):
        split_notes(notes[0] + "\nhalf of one\n")


@pytest.mark.parametrize("line", ["- log AAAAAAA=", "— a+b AAAAAAA=", "— log AAAA"])
def test_a_line_that_is_no_signature_is_refused(line: str) -> None:
    """Another dash, a name that is none, too few bytes: each alone."""
    with pytest.raises(NoteError, match="expected a signature line"):
        Note.parse(f"text\n\n{line}\n")
    assert Note.parse("text\n\n— log AAAAAAA=\n").signatures[0].name == "log"
