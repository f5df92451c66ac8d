"""Calling commands within this process: what tests of commands share."""

from __future__ import annotations

from typing import Any

from gridbazaar.experiments.cli.main import main
from tests.experiments.cli.runner import invoke

SHORT = ("--set", "hours=2", "--seeds", "2")


def call(*arguments: object, code: int = 0) -> Any:
    """Run a command within this process; its exit code must be ``code``."""
    found = invoke(main, [str(a) for a in arguments])
    assert found.exit_code == code, f"{found.exit_code}\n{found.stdout}\n{found.stderr}\n{found.exception!r}"
    return found


def refused(*arguments: object, code: int = 2) -> str:
    """The message of a command that must fail: one line, no traceback."""
    found = call(*arguments, code=code)
    assert "Traceback" not in found.stderr
    lines = found.stderr.strip().splitlines()
    assert len(lines) == 1, found.stderr
    return str(lines[0])
