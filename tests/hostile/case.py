"""What a hostile case is, and text that is none."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
OLD_RUN = GOLDEN / "run_of_0.1"
RECORD = GOLDEN / "evaluation" / "street.json"
TRAP = "TRAPPED"
"""File that appears in the working folder if code of an input ran."""


class Case(NamedTuple):
    """A command line, the exit codes that it may have, and words of which its message has one."""

    words: tuple[str, ...]
    codes: tuple[int, ...]
    says: tuple[str, ...]


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return os.system, (f"touch {TRAP}",)


def texts(rng: np.random.Generator) -> dict[str, bytes]:
    """Contents that are no JSON, no TOML, no CSV and no ledger."""
    deep = int(rng.integers(20_000, 60_000))
    return {
        "empty": b"",
        "nul": b"\0" * int(rng.integers(1, 99)),
        "noise": rng.bytes(int(rng.integers(50, 500))) + b"\xff\xfe\x80",
        "latin1": '{"scenario": "Straße"}'.encode("latin-1"),
        "utf16": '{"scenario": "street"}'.encode("utf-16"),
        "cut": RECORD.read_bytes()[: int(rng.integers(20, 400))],
        "nested": b"[" * deep,
        "nested_toml": b"x = " + b"[" * deep,
        "scalar": b"3",
        "null": b"null",
        "list": b"[1, 2]",
        "text": b'"street"',
        "long_number": b'{"scenario": ' + b"9" * 6000 + b"}",
        "not_a_number": b"NaN",
        "pickle": pickle.dumps(Trap()),
        "words": b"rm -rf / ; $(touch TRAPPED)\n",
    }
