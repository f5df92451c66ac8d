"""The commands of a ledger: check it, prove from it, export it. Exit code 0 sound, 1 findings, 2 unreadable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, TypeVar

import typer

from gridbazaar.experiments.cli import door, terminal

if TYPE_CHECKING:
    from gridbazaar.market.ledger.log.note import NoteKey
    from gridbazaar.market.ledger.log.proofs import Signed
    from gridbazaar.market.ledger.verify import Report

T = TypeVar("T")

ledger_app = typer.Typer(no_args_is_help=True, help="Check a ledger, prove from it, export it.")

File = Annotated[Path, typer.Argument(help="A ledger file, or a JSON-lines export of one.")]
Key = Annotated[
    str,
    typer.Option("--key", metavar="PUB", help="The operator's public key: name+id+base64, did:key, hex, or a file."),
]
Origin = Annotated[str, typer.Option("--origin", metavar="NAME", help="The name of the log.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write to a file instead of the terminal.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]


@ledger_app.command(
    epilog=terminal.epilog("ledger verify out.db --key did:key:z6Mk... --origin village --trusted kept.txt")
)
def verify(
    file: File,
    key: Key,
    origin: Origin,
    trusted: Annotated[
        list[Path] | None, typer.Option("--trusted", metavar="NOTES", help="Checkpoints kept elsewhere; repeatable.")
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option("--witness", metavar="PUB", help="A witness's key; repeatable.")
    ] = None,
    need: Annotated[int, typer.Option(min=0, help="So many witnesses must have cosigned each trusted checkpoint.")] = 0,
    mechanism: Annotated[
        list[str] | None,
        typer.Option("--mechanism", metavar="FILE", help="A market rule that does not ship, rule.py; repeatable."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many findings.")] = 50,
    may_be_open: Annotated[bool, typer.Option("--open", help="Accept a log that goes on: stakes are locked.")] = False,
) -> None:
    """Check a ledger; a line a finding. Entries, signatures, balances and auctions are all gone through again."""
    from gridbazaar.market.ledger.books.reclear import own_rules
    from gridbazaar.market.ledger.verify import examine, rules

    kept = [note for path in trusted or [] for note in _notes(path)]
    witnesses = [_witness_key(text) for text in witness or []]
    if need > len(witnesses) or (need and not kept):
        raise ValueError(f"--need {need} expects at least {need} times --witness, and --trusted")
    report = examine(file, *_signed(key, origin), kept, by=rules(mechanism) if mechanism else None)
    found = [*map(str, report.findings), *_too_few_cosigned(kept, witnesses, need)]
    if report.staked and not may_be_open:
        found.append(_said_of_the_end(report))
    for line in found[:limit]:
        typer.echo(line)
    if len(found) > limit:
        typer.echo(f"... and {len(found) - limit} more findings; --limit {len(found)} shows them")
    if found:
        raise typer.Exit(door.CHECK_FAILED)
    end = f", the last of interval {report.last.interval}" if report.last is not None else ""
    withheld = f", {report.n_withheld} bodies withheld" if report.n_withheld else ""
    n_stated = report.n_bus_prices
    stated = f", {n_stated} intervals of nodal prices checked by their payments, not cleared again" if n_stated else ""
    given = ", ".join(own_rules(mechanism or ()))
    asked = "give its --mechanism FILE" + (f", which is not {given}" if given else "")
    own = "".join(f", {n} intervals by {r}, not cleared again: {asked}" for r, n in report.not_run.items())
    alone = "" if kept else "; no --trusted checkpoint: whether its operator rewrote it cannot be seen"
    typer.echo(
        f"sound: {report.n_entries:,} entries{end}{withheld}{stated}{own}, {len(kept)} trusted checkpoints{alone}"
    )


@ledger_app.command(epilog=terminal.epilog("ledger export out.db --jsonl public.jsonl --withhold reading"))
def export(
    file: File,
    jsonl: Annotated[Path | None, typer.Option(help="Lines of JSON with checkpoints: can be verified.")] = None,
    csv: Annotated[Path | None, typer.Option(help="A table, one row an entry.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="The same table; needs pyarrow.")] = None,
    withhold: Annotated[str, typer.Option(metavar="KIND,...", help="Kinds whose bodies are kept back.")] = "",
    force: Force = False,
) -> None:
    """Write a ledger for others. Of a body that is withheld the hash remains, so that all proofs hold."""
    from gridbazaar.experiments.files import check_outputs

    targets = {"--jsonl": jsonl, "--csv": csv, "--parquet": parquet}
    if not any(targets.values()):
        raise ValueError("expected one or more of --jsonl, --csv, --parquet with a file")
    kinds = _kinds(withhold)
    check_outputs(targets, {"the ledger": file}, force=force)
    if jsonl is not None:
        _export_jsonl(file, jsonl, kinds)
    if csv is not None:
        _export_csv(file, csv, kinds)
    if parquet is not None:
        _export_parquet(file, parquet, kinds)


@ledger_app.command(epilog=terminal.epilog("ledger prove out.db TXID --out proof.json"))
def prove(
    file: File,
    txid: Annotated[str, typer.Argument(help="The transaction.")],
    out: Out = None,
    force: Force = False,
) -> None:
    """Prove that a transaction is in the log. Whoever has the proof file needs no ledger to check it."""
    from gridbazaar.market.ledger.log.proofs import prove_inclusion
    from gridbazaar.market.ledger.verify import opened

    _check_out(out, file, force=force)
    with opened(file) as contents:
        _give(prove_inclusion(contents, txid), out)


@ledger_app.command(
    "check-proof", epilog=terminal.epilog("ledger check-proof proof.json --key did:key:z6Mk... --origin village")
)
def check_proof(
    proof: Annotated[Path, typer.Argument(help="A file from 'ledger prove' or 'ledger consistency'.")],
    key: Key,
    origin: Origin,
) -> None:
    """Check a proof file. Says what it shows; exit code 1 if it shows nothing."""
    from gridbazaar.data.inputs import check_input
    from gridbazaar.market.ledger.log.canonical import canonical
    from gridbazaar.market.ledger.log.proofs import Included, ProofError
    from gridbazaar.market.ledger.log.proofs import check_proof as check

    text = check_input(proof).read_text(encoding="utf-8", errors="surrogateescape")
    try:
        shown = check(text, *_signed(key, origin))
    except ProofError as error:
        typer.echo(str(error))
        raise typer.Exit(door.CHECK_FAILED) from error
    if isinstance(shown, Included):
        at = f"entry {shown.position} of {shown.checkpoint.size}, signed with interval {shown.checkpoint.interval}"
        typer.echo(f"{at}: {canonical(shown.entry).decode()}")
    else:
        grown = f"the log of {shown.new.size} entries (interval {shown.new.interval}) begins with"
        typer.echo(f"{grown} that of {shown.old.size} (interval {shown.old.interval})")


@ledger_app.command(epilog=terminal.epilog("ledger consistency out.db --since kept.txt --out growth.json"))
def consistency(
    file: File,
    since: Annotated[Path, typer.Option(help="A checkpoint kept from earlier; of several the last counts.")],
    out: Out = None,
    force: Force = False,
) -> None:
    """Prove that the log has only grown. Gives a proof file from an old checkpoint to the last; exit code 1 if not."""
    from gridbazaar.market.ledger.log.proofs import ProofError, prove_consistency
    from gridbazaar.market.ledger.verify import opened

    _check_out(out, file, force=force)
    try:
        with opened(file) as contents:
            proof = prove_consistency(contents, _last_note(since))
    except ProofError as error:
        typer.echo(str(error))
        raise typer.Exit(door.CHECK_FAILED) from error
    _give(proof, out)


@ledger_app.command(epilog=terminal.epilog("ledger checkpoints out.db > kept.txt"))
def checkpoints(
    file: File,
    last: Annotated[bool, typer.Option("--last", help="Only the last one.")] = False,
) -> None:
    """Print the signed checkpoints. Keep them where the operator cannot reach them."""
    from gridbazaar.market.ledger.log.note import join_notes
    from gridbazaar.market.ledger.verify import opened

    with opened(file) as contents:
        notes = [stamp.note for stamp in contents.stamps]
    typer.echo(join_notes(notes[-1:] if last else notes), nl=False)


@ledger_app.command(
    epilog=terminal.epilog(
        "ledger cosign out.db --key did:key:z6Mk... --origin village --name dso --secret dso.key --since dso.txt"
    )
)
def cosign(
    file: File,
    key: Key,
    origin: Origin,
    name: Annotated[str, typer.Option(help="The witness's name.")],
    secret: Annotated[Path, typer.Option(help="The witness's secret: a file with 64 hexadecimal digits.")],
    since: Annotated[Path | None, typer.Option(help="What it cosigned last; leave it out the first time.")] = None,
    time_s: Annotated[int | None, typer.Option("--time", min=0, help="Unix seconds; now unless given.")] = None,
) -> None:
    """Cosign the last checkpoint as a witness. Exit code 1 if the log does not continue the one cosigned before."""
    import time

    from gridbazaar.data.inputs import read_text
    from gridbazaar.market.ledger.log.keys import Signer
    from gridbazaar.market.ledger.log.note import COSIGNATURE, NoteKey
    from gridbazaar.market.ledger.log.proofs import ProofError, cosign_last
    from gridbazaar.market.ledger.verify import opened

    signer = Signer(_unhex(read_text(secret).strip(), f"{secret}"))
    seen = None if since is None else _last_note(since)
    when_s = int(time.time()) if time_s is None else time_s
    try:
        with opened(file) as contents:
            note = cosign_last(contents, seen, signer, name, when_s, _signed(key, origin))
    except ProofError as error:
        typer.echo(str(error))
        raise typer.Exit(door.CHECK_FAILED) from error
    typer.echo(f"witness key: {NoteKey(name, signer.public_key, COSIGNATURE)}", err=True)
    typer.echo(note, nl=False)


@ledger_app.command(epilog=terminal.epilog("ledger statement out.db prosumer_3"))
def statement(file: File, account: Annotated[str, typer.Argument(help="Whose bill.")]) -> None:
    """Print the bill of an account. Check the file first, with 'ledger verify'."""
    from gridbazaar.market.ledger.statement import statement as bill_of
    from gridbazaar.market.ledger.verify import entries_of, opened

    with opened(file) as contents:
        typer.echo(bill_of(entries_of(contents), account).text())


def _signed(key: str, origin: str) -> Signed:
    """Read the operator's key; a key with a name must bear that of the log."""
    from gridbazaar.market.ledger.log.keys import public_key_of
    from gridbazaar.market.ledger.log.note import ED25519, NoteKey
    from gridbazaar.market.ledger.log.proofs import Signed

    text = _text_or_file(key)
    if text.startswith("did:key:"):
        return Signed(public_key_of(text), origin)
    if "+" in text:
        named = NoteKey.parse(text)
        if (named.name, named.algorithm) != (origin, ED25519):
            raise ValueError(f"--key is of {named.name!r}, expected the operator's key of the log {origin!r}")
        return Signed(named.public_key, origin)
    return Signed(_unhex(text, "--key"), origin)


def _witness_key(text: str) -> NoteKey:
    from gridbazaar.market.ledger.log.note import COSIGNATURE, NoteKey

    key = NoteKey.parse(_text_or_file(text))
    if key.algorithm != COSIGNATURE:
        raise ValueError(f"--witness {key.name!r} is no witness's key, expected one as 'ledger cosign' prints it")
    return key


def _too_few_cosigned(notes: list[str], witnesses: list[NoteKey], need: int) -> list[str]:
    from gridbazaar.market.ledger.log.note import Checkpoint, Note

    found = []
    for note in map(Note.parse, notes):
        names = note.cosigners(witnesses)
        if len(names) < need:
            by = ", ".join(names) or "nobody"
            interval = Checkpoint.parse(note.text).interval
            found.append(f"interval {interval}: the trusted checkpoint is cosigned by {by}, expected {need} witnesses")
    return found


def _said_of_the_end(report: Report) -> str:
    where = "before its first interval" if report.last is None else f"with interval {report.last.interval}"
    staked = f"the stakes of {len(report.staked)} accounts are still locked"
    return f"the log ends {where}, where {staked}: it was cut off, or goes on (then give --open)"


def _last_note(path: Path) -> str:
    return _notes(path)[-1]


def _notes(path: Path) -> list[str]:
    from gridbazaar.data.inputs import read_text
    from gridbazaar.market.ledger.log.note import NoteError, split_notes

    try:
        return split_notes(read_text(path, "utf-8"))
    except NoteError as error:
        raise ValueError(f"{path}: {error}") from error


def _check_out(out: Path | None, file: Path, *, force: bool) -> None:
    from gridbazaar.experiments.files import check_outputs

    check_outputs({"--out": out}, {"the ledger": file}, force=force)


def _kinds(text: str) -> list[str]:
    from gridbazaar.market.ledger.books.entries import KINDS

    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"--withhold: {', '.join(unknown)} is no kind of entry, expected some of {', '.join(KINDS)}")
    return kinds


def _export_jsonl(file: Path, path: Path, kinds: list[str]) -> None:
    from gridbazaar.market.ledger.log.jsonl import write_export
    from gridbazaar.market.ledger.verify import opened

    with opened(file) as contents:
        done = _written(path, lambda out: write_export(contents, out, kinds))
    typer.echo(f"{path}: {done.n_entries:,} entries, {done.n_withheld:,} bodies withheld")
    if done.n_unsalted:
        typer.echo(f"{done.n_unsalted:,} of the withheld bodies have no salt: who guesses one can tell by its hash")


def _export_csv(file: Path, path: Path, kinds: list[str]) -> None:
    from gridbazaar.market.ledger.tables import write_csv
    from gridbazaar.market.ledger.verify import opened

    with opened(file) as contents:
        n = _written(path, lambda out: write_csv(contents, out, kinds))
    typer.echo(f"{path}: {n:,} rows")


def _export_parquet(file: Path, path: Path, kinds: list[str]) -> None:
    from gridbazaar.market.ledger.tables import write_parquet
    from gridbazaar.market.ledger.verify import opened

    with opened(file) as contents:
        n = _replaced(path, lambda partial: write_parquet(contents, partial, kinds))
    typer.echo(f"{path}: {n:,} rows")


def _written(path: Path, write: Callable[[TextIO], T]) -> T:
    def write_text(partial: Path) -> T:
        with partial.open("w", encoding="utf-8", newline="") as out:
            return write(out)

    return _replaced(path, write_text)


def _replaced(path: Path, write: Callable[[Path], T]) -> T:
    """Write a file so that an interruption leaves the old one or the new one."""
    from gridbazaar.experiments.files import replacing

    with replacing(path) as partial:
        return write(partial)


def _give(text: str, out: Path | None) -> None:
    from gridbazaar.experiments.files import write_text

    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    typer.echo(f"written: {out}")


def _text_or_file(text: str) -> str:
    from gridbazaar.data.inputs import read_text

    try:
        is_file = "\0" not in text and Path(text).is_file()
    except OSError:  # too long for a name
        is_file = False
    return read_text(text).strip() if is_file else text.strip()


def _unhex(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError(f"{where}: expected 32 bytes as 64 hexadecimal digits, or name+id+base64, or did:key")
    return key
