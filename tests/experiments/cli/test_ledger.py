"""The commands of a ledger: exit code 0 sound, 1 findings, 2 unreadable, and never a traceback."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gridbazaar.experiments.cli.main import main
from gridbazaar.market.ledger import verify
from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.ledger.log.note import NoteKey, split_notes
from tests.experiments.cli.runner import invoke
from tests.market.ledger.fakes import OPERATOR, ORIGIN, RULES, batch, edit, open_ledger

COMMANDS = ("verify", "export", "prove", "check-proof", "consistency", "checkpoints", "cosign", "statement")
KEY = ("--key", OPERATOR.did, "--origin", ORIGIN)


@pytest.fixture(autouse=True)
def small_books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "rules", lambda: RULES)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "village.db"
    with open_ledger(path) as ledger:
        for interval in range(4):
            ledger.commit(interval, batch(interval))
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sound, tmp_path))


def call(*arguments: object, code: int = 0) -> Any:
    """Run ``gridbazaar ledger``; its exit code must be ``code`` and nothing may fall through."""
    found = invoke(main, ["ledger", *map(str, arguments)])
    assert found.exit_code == code, f"{found.exit_code}\n{found.stdout}\n{found.stderr}\n{found.exception!r}"
    assert found.exception is None or isinstance(found.exception, SystemExit)
    return found


def refused(*arguments: object) -> str:
    """The one line of a command that ends with code 2."""
    lines = call(*arguments, code=2).stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return str(lines[0])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    text = " ".join(call(command, "--help").stdout.split())
    assert f"Example: gridbazaar ledger {command} " in text
    assert f"\n  {command} " in call("--help").stdout


def test_a_sound_file_is_said_to_be_so_and_what_that_does_not_show(path: Path, tmp_path: Path) -> None:
    text = call("verify", path, *KEY).stdout
    assert text == (
        "sound: 20 entries, the last of interval 3, 0 trusted checkpoints; no --trusted checkpoint: "
        "whether its operator rewrote it cannot be seen\n"
    )
    kept = tmp_path / "kept.txt"
    kept.write_text(call("checkpoints", path).stdout)
    assert (
        call("verify", path, *KEY, "--trusted", kept).stdout
        == "sound: 20 entries, the last of interval 3, 4 trusted checkpoints\n"
    )


def test_findings_are_lines_and_exit_code_one(path: Path) -> None:
    edit(path, "UPDATE balance SET amount = amount + 1", "UPDATE entry SET txid = char(27) || '[2J' WHERE seq = 3")
    lines = call("verify", path, *KEY, code=1).stdout.splitlines()
    assert lines[0] == "entry 3, transaction \ufffd[2J, interval 0: the body names transaction 't-0-2'"
    assert len(lines) == 7
    lines = call("verify", path, *KEY, "--limit", 2, code=1).stdout.splitlines()
    assert lines[2:] == ["... and 5 more findings; --limit 7 shows them"]


def test_a_rollback_shows_with_a_checkpoint_kept_elsewhere(path: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text(call("checkpoints", path, "--last").stdout)
    short = tmp_path / "short.db"
    with open_ledger(short) as ledger:
        for interval in range(3):
            ledger.commit(interval, batch(interval))
    call("verify", short, *KEY)
    text = call("verify", short, *KEY, "--trusted", kept, code=1).stdout
    assert text == "interval 3: the trusted checkpoint has 20 entries, the file 15: it was cut\n"


def test_keys_are_given_in_any_usual_form(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "operator.pub"
    file.write_text(f"{NoteKey(ORIGIN, OPERATOR.public_key)}\n")
    for key in (OPERATOR.did, OPERATOR.public_key.hex(), NoteKey(ORIGIN, OPERATOR.public_key), file):
        call("verify", path, "--key", key, "--origin", ORIGIN)
    assert "expected the operator's key of the log 'street'" in refused(
        "verify", path, "--key", file, "--origin", "street"
    )
    for key in ("", "ab", "did:key:zz", "a+b+c", "z" * 64, tmp_path):
        refused("verify", path, "--key", key, "--origin", ORIGIN)
    assert (
        len(call("verify", path, "--key", Signer(bytes(32)).did, "--origin", ORIGIN, code=1).stdout.splitlines()) == 4
    )


def test_what_cannot_be_read_is_one_line_and_exit_code_two(path: Path, tmp_path: Path) -> None:
    letter, half = tmp_path / "letter", tmp_path / "half.db"
    letter.write_bytes(b"Dear \xff operator")
    half.write_bytes(path.read_bytes()[:9000])
    for file in (letter, half, tmp_path, tmp_path / "none"):
        for command in (
            ("verify", file, *KEY), ("checkpoints", file), ("prove", file, "t-0-1"), ("statement", file, "ann"),
            ("export", file, "--jsonl", tmp_path / "x.jsonl"),
        ):  # fmt: skip
            assert file.name in refused(*command)
        assert (
            "error" in refused("check-proof", file, *KEY)
            if not file.is_file()
            else call("check-proof", file, *KEY, code=1)
        )
        refused("verify", path, *KEY, "--trusted", file)
    assert not (tmp_path / "x.jsonl").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_a_proof_is_checked_without_the_file(path: Path, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    assert call("prove", path, "t-2-1", "--out", proof).stdout == f"written: {proof}\n"
    assert call("prove", path, "t-2-1").stdout == proof.read_text()
    path.unlink()
    text = call("check-proof", proof, *KEY).stdout
    assert text.startswith('entry 12 of 20, signed with interval 3: {"amount":11,"kind":"pay"')
    proof.write_text(proof.read_text().replace('"amount":11', '"amount":12'))
    assert "is not entry 12 of the 20" in call("check-proof", proof, *KEY, code=1).stdout


def test_a_transaction_that_is_not_there_has_no_proof(path: Path) -> None:
    assert "'nothing' is not among the 20 entries" in refused("prove", path, "nothing")


def test_growth_is_proved_between_checkpoints(path: Path, tmp_path: Path) -> None:
    kept, proof = tmp_path / "kept.txt", tmp_path / "growth.json"
    kept.write_text(split_notes(call("checkpoints", path).stdout)[1])
    call("consistency", path, "--since", kept, "--out", proof)
    text = call("check-proof", proof, *KEY).stdout
    assert text == "the log of 20 entries (interval 3) begins with that of 10 (interval 1)\n"
    other = tmp_path / "other.db"
    with open_ledger(other) as ledger:
        ledger.commit(0, batch(0, 60))
    assert "was rewritten" in call("consistency", other, "--since", kept, code=1).stdout


def test_k_of_n_witnesses_cosign(path: Path, tmp_path: Path) -> None:
    keys, kept = [], tmp_path / "kept.txt"
    kept.write_text(call("checkpoints", path, "--last").stdout)
    for i, name in enumerate(("dso", "aggregator")):
        secret = tmp_path / f"{name}.key"
        secret.write_text(bytes([i + 1] * 32).hex() + "\n")
        done = call("cosign", path, *KEY, "--name", name, "--secret", secret, "--time", 7, "--since", kept)
        keys.append(done.stderr.removeprefix("witness key: ").strip())
        note = tmp_path / f"{name}.txt"
        note.write_text(done.stdout)
        assert done.stdout.startswith(kept.read_text())
    cosignatures = [(tmp_path / f"{name}.txt").read_text().splitlines()[-1] for name in ("dso", "aggregator")]
    kept.write_text("\n".join([kept.read_text().rstrip("\n"), *cosignatures]) + "\n")
    both = ("--witness", keys[0], "--witness", keys[1])
    call("verify", path, *KEY, "--trusted", kept, *both, "--need", 2)
    text = call("verify", path, *KEY, "--trusted", tmp_path / "dso.txt", *both, "--need", 2, code=1).stdout
    assert text == "interval 3: the trusted checkpoint is cosigned by dso, expected 2 witnesses\n"
    assert "--need 2 expects" in refused("verify", path, *KEY, "--trusted", kept, "--witness", keys[0], "--need", 2)
    assert "no witness's key" in refused("verify", path, *KEY, "--witness", NoteKey(ORIGIN, OPERATOR.public_key))
    secret.write_text("secret")
    assert "64 hexadecimal digits" in refused("cosign", path, *KEY, "--name", "dso", "--secret", secret)


def test_a_witness_does_not_cosign_another_past(path: Path, tmp_path: Path) -> None:
    kept, secret, other = tmp_path / "kept.txt", tmp_path / "dso.key", tmp_path / "other.db"
    kept.write_text(call("checkpoints", path).stdout)
    secret.write_text("11" * 32)
    with open_ledger(other) as ledger:
        ledger.commit(0, batch(0, 60))
    witness = (*KEY, "--name", "dso", "--secret", secret)
    assert "was rewritten" in call("cosign", other, *witness, "--since", kept, code=1).stdout
    call("cosign", other, *witness)


def test_an_export_can_be_verified(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "public.jsonl"
    assert call("export", path, "--jsonl", out).stdout == f"{out}: 20 entries, 0 bodies withheld\n"
    assert "--force" in refused("export", path, "--jsonl", out)
    call("export", path, "--jsonl", out, "--force")
    assert call("verify", out, *KEY).stdout.startswith("sound: 20 entries, the last of interval 3, 0 trusted")
    assert call("prove", out, "t-2-1").stdout == call("prove", path, "t-2-1").stdout
    out.write_text(out.read_text().replace('"amount":11', '"amount":12', 1))
    assert "interval 0: entries 0 to 4 do not have the signed root" in call("verify", out, *KEY, code=1).stdout


def test_an_export_names_what_it_may_withhold(path: Path, tmp_path: Path) -> None:
    assert "secrets is no kind of entry" in refused("export", path, "--jsonl", tmp_path / "x", "--withhold", "secrets")
    assert "one or more of --jsonl" in refused("export", path)


def test_a_table_has_a_row_an_entry(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    assert call("export", path, "--csv", out).stdout == f"{out}: 20 rows\n"
    rows = list(csv.DictReader(out.open()))
    assert [row["transaction_id"] for row in rows[:2]] == ["f-0", "t-0-0"]
    assert json.loads(rows[1]["body"]) == batch(0)[1]
