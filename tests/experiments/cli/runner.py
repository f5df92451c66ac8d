"""Calls the command line within this process, with any version of typer that is allowed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import typer
import typer.testing
from typer.testing import CliRunner

_APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner.__init__).parameters else {}

# A command is read from signatures, which takes longer than most commands do: once for all tests of a process.
setattr(typer.testing, "_get_command", lru_cache(typer.main.get_command))  # noqa: B010  (typer does not export it)


def invoke(main: typer.Typer, words: Iterable[object]) -> Any:
    """Give exit code, output and error output of a command; what is said on the error stream is apart."""
    made: Any = CliRunner
    return made(**_APART).invoke(main, [str(word) for word in words])
