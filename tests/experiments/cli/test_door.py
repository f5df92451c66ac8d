"""The door of the command line: one exit code for each way to end, and no traceback unless it is asked for."""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gridbazaar.experiments.cli import door, terminal
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.files import CannotWriteError
from tests.experiments.cli.runner import invoke

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = [sys.executable, "-m", "gridbazaar.experiments.cli"]


def run(words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """The program as a shell starts it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([*PROGRAM, *words], env=environment, text=True, timeout=120, check=False, **options)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("step_min: expected 5"), 2, "error: step_min: expected 5"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.csv"), 2, "error: No such file: a.csv"),
        (PermissionError(errno.EACCES, "Permission denied", "a.csv"), 2, "error: Permission denied: a.csv"),
        (OSError(errno.ENOSPC, "No space left on device", "out.json"), 5, "error: No space left on device: out.json"),
        (OSError(errno.EIO, "Input/output error"), 5, "error: Input/output error: standard output"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x"), 5, "error: File name too long: x"),
        (CannotWriteError(errno.EACCES, "cannot write: Permission denied", "x"), 5, "error: cannot write"),
        (MemoryError(), 5, "error: out of memory"),
        (AssertionError("costs less than the bound"), 3, "error: costs less than the bound"),
        (KeyError("x"), 3, "error: an error of ours, KeyError: 'x'"),
        (ModuleNotFoundError("no", name="torch"), 2, "error: torch is not installed; it needs: pip install 'torch"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (door.Terminated(), 143, "error: terminated"),
    ],
)
def test_every_error_has_its_code_and_one_line(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("gridbazaar.experiments.cli.show.list_things", fail)
    found = invoke(main, ("list", "scenarios"))
    assert found.exit_code == code
    assert found.stdout == ""
    assert found.stderr.startswith(words)
    assert len(found.stderr.splitlines()) == 1
    for debugged in (("--debug", "list", "scenarios"), ("list", "scenarios", "--debug")):
        again = invoke(main, debugged)
        assert again.exit_code == code
        assert "Traceback" in again.stderr


@pytest.mark.parametrize("signalled", [signal.SIGTERM, None])
def test_a_library_that_ends_the_program_does_not_hide_the_signal(signalled: int | None) -> None:
    """As typer does while it reads a command line: exit code 130 whatever came."""

    def command() -> None:
        try:
            if signalled is not None:
                os.kill(os.getpid(), signalled)
        except KeyboardInterrupt:
            raise SystemExit(door.INTERRUPTED) from None
        raise SystemExit(door.CHECK_FAILED)

    with pytest.raises(SystemExit) as ended:
        door.run(command)
    assert ended.value.code == (door.CHECK_FAILED if signalled is None else door.TERMINATED)


def test_an_error_of_ours_names_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridbazaar.experiments.cli.show._found", lambda what: (3, None))
    said = invoke(main, ("list", "kinds")).stderr
    assert re.search(r"an error of ours, TypeError: .* \(show\.py, line \d+\)", said), said


def test_codes_for_the_terminal_are_not_passed_on(tmp_path: Path) -> None:
    assert "\x1b" not in invoke(main, ("evaluate", "\x1b[2J.toml")).stderr


def test_a_closed_pipe_loses_nothing(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    out = tmp_path / "out.json"
    words = ["evaluate", "street", "--policies", "idle", "--seeds", "1", "--set", "hours=1", "--json", str(out)]
    found = run(words, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert out.stat().st_size > 1000


@pytest.mark.parametrize("words", [["list", "scenarios"], ["--help"]])
def test_a_full_output_is_said_once(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        found = run(words, stdout=full, stderr=subprocess.PIPE)
    assert found.returncode == 5
    assert found.stderr == "error: No space left on device: standard output\n"


@pytest.mark.slow
def test_output_may_be_closed_from_the_beginning() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = f"'{sys.executable}' -m gridbazaar.experiments.cli list kinds"
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        found = subprocess.run(["sh", "-c", f"{command} {closed}"], env=environment, capture_output=True, check=False)
        assert found.returncode == 0, (closed, found)


def test_output_may_be_of_another_encoding() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    found = subprocess.run(
        [*PROGRAM, "show", "scenario", "village"], env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert found.returncode == 0, found.stderr


def test_a_log_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100_000, 7))
    monkeypatch.setattr("gridbazaar.experiments.cli.terminal.time.monotonic", lambda: float(next(clock)))
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    with terminal.progress() as bar:
        tick = terminal.evaluation_bar(bar)
        for done in range(60):
            tick("idle", done + 1, 60)
    lines = told.getvalue().splitlines()
    assert 5 <= len(lines) <= 8
    assert re.fullmatch(r"1 min: idle, \d+ %", lines[0])


def test_commands_can_be_pasted() -> None:
    words = ("train", "--out", Path("my runs/$(id); a'b"), "--resume")
    printed = terminal.to_paste(*words)
    found = subprocess.run(
        ["sh", "-c", printed.replace("gridbazaar", "printf '%s\\n'", 1)], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert found.stdout.splitlines() == [str(word) for word in words]
