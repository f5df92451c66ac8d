"""Calls the command line within this process, with any version of typer that is allowed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import typer
from typer.testing import CliRunner

_APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner.__init__).parameters else {}


def invoke(main: typer.Typer, words: Iterable[object]) -> Any:
    """Give exit code, output and error output of a command; what is said on the error stream is apart."""
    made: Any = CliRunner
    return made(**_APART).invoke(main, [str(word) for word in words])
