"""No hostile command line gives a traceback, runs code, hangs, or leaves anything behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from gridbazaar.experiments.cli.main import main
from tests.experiments.cli.runner import invoke
from tests.hostile.case import TRAP, Case
from tests.hostile.commands import cases

ROOT = Path(__file__).resolve().parents[2]
SEED = 20_260
N_REAL = 40
N_QUICK = 60
DOCUMENTED = (0, 1, 2, 3, 5, 130, 143)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """All that lies below a folder, with its size and time."""
    return {
        str(path): (stat.st_size, stat.st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if (stat := path.lstat()) and not path.is_dir()
    }


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fault(case: Case, code: int | None, said: str) -> str | None:
    """What is wrong with how a case ended."""
    if code not in DOCUMENTED or code not in case.codes:
        return f"exit code {code}, expected {case.codes}"
    if "Traceback" in said:
        return "a traceback"
    if "\x1b" in said:
        return "codes for the terminal"
    if case.says and not any(word in said for word in case.says):
        return f"names none of {case.says}"
    return None


def shown(case: Case, why: str, said: str) -> str:
    words = " ".join(ascii(word[:80]) for word in case.words)
    return f"{why}: {words}\n    {said.strip()[:300]}"


@pytest.mark.parametrize("most", [N_QUICK, pytest.param(None, marks=pytest.mark.slow)])
def test_hostile_command_lines_in_one_process(
    most: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of them in every run of the unit tests, all of them among the slow ones."""
    pytest.importorskip("stable_baselines3")  # loads torch too, so that no case is stopped while it does
    drawn = cases(tmp_path, SEED)
    assert len(drawn) >= 500
    monkeypatch.chdir(tmp_path)
    before, wrong = tree(tmp_path), []
    for case in drawn[:most]:
        with limited(60):
            found = invoke(main, case.words)
        why = fault(case, found.exit_code, found.output + found.stderr)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            why = repr(found.exception)
        if why is None and tree(tmp_path) != before:
            why, before = f"left {sorted(set(tree(tmp_path).items()) - set(before.items()))[:3]}", tree(tmp_path)
        if why is not None:
            wrong.append(shown(case, why, found.stderr))
    assert not wrong, f"{len(wrong)} of {len(drawn)}\n" + "\n".join(wrong)
    assert not (tmp_path / TRAP).exists()


@pytest.mark.slow
def test_hostile_command_lines_as_real_commands(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    drawn = [case for case in cases(tmp_path, SEED + 1) if not any("\0" in word for word in case.words)]
    before, wrong = tree(tmp_path), []
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-m", "gridbazaar.experiments.cli"]
    for case in drawn[:N_REAL]:
        words = [os.fsencode(word) if word.isascii() else word.encode("utf-8", "replace") for word in case.words]
        found = subprocess.run(
            [*program, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
            errors="replace", check=False,
        )  # fmt: skip
        why = fault(case, found.returncode, found.stdout + found.stderr)
        if why is None and tree(tmp_path) != before:
            why, before = "left something", tree(tmp_path)
        if why is not None:
            wrong.append(shown(case, why, found.stderr))
    assert not wrong, f"{len(wrong)} of {N_REAL}\n" + "\n".join(wrong)
