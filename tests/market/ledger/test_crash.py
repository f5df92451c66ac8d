"""A writer that dies: at every statement of a batch, in the middle of a row of them, with a torn journal."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from gridbazaar.market.ledger.log import store
from tests.market.ledger.fakes import batch, found, open_ledger

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be killed")


class Doomed:
    """A connection whose process is killed just before or just after its n-th statement; each row counts as one."""

    def __init__(self, db: sqlite3.Connection, n: int, *, after: bool) -> None:
        self._db, self._left, self._after = db, n, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        self._left -= 1
        if self._left < 0 and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        cursor = self._db.execute(sql, parameters)
        if self._left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return cursor

    def executemany(self, sql: str, rows: Iterable[Any]) -> None:
        for row in rows:
            self.execute(sql, row)


def dies(path: Path, interval: int, n: int, *, after: bool) -> bool:
    """Let a process of its own write a batch and be killed at the n-th statement; whether it lived so long."""
    child = os.fork()
    if child == 0:
        try:
            with open_ledger(path) as ledger:
                ledger._db = cast(sqlite3.Connection, Doomed(ledger._db, n, after=after))
                ledger.commit(interval, batch(interval))
            os._exit(0)
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def is_sound(path: Path) -> bool:
    return not found(path)


def intervals(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as db:
        return [i for (i,) in db.execute("SELECT interval FROM checkpoint ORDER BY size")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "village.db"
    with open_ledger(path) as ledger:
        for interval in range(3):
            ledger.commit(interval, batch(interval))
    return path


@pytest.mark.parametrize("after", [False, True])
def test_a_writer_killed_at_any_statement_leaves_a_sound_file_and_can_go_on(path: Path, after: bool) -> None:
    whole, killed, n = path.read_bytes(), [], 0
    while True:
        for leftover in path.parent.iterdir():
            leftover.unlink()
        path.write_bytes(whole)
        if not dies(path, 3, n, after=after):
            break
        assert is_sound(path)
        killed.append(intervals(path))
        with open_ledger(path) as ledger:
            assert ledger.commit(3, batch(3)) == ("exists" if killed[-1][-1] == 3 else "created")
            assert ledger.commit(4, batch(4)) == "created"
        assert is_sound(path)
        assert intervals(path) == [0, 1, 2, 3, 4]
        n += 1
    # BEGIN, the last checkpoint, five txids, five entries, five balances and a bank, a checkpoint, COMMIT
    assert len(killed) >= 2 + 5 + 5 + 5 + 1 + 1
    assert [0, 1, 2] in killed
    assert ([0, 1, 2, 3] in killed) == after, "only a writer killed after COMMIT has written"


def test_a_writer_killed_while_it_makes_the_file_can_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = store._create
    for n in range(2 + len(store.SCHEMA) + 4):
        path = tmp_path / f"{n}.db"
        child = os.fork()
        if child == 0:
            try:
                monkeypatch.setattr(store, "_create", lambda db, n=n: create(Doomed(db, n, after=True)))  # type: ignore[arg-type]
                open_ledger(path)
            finally:
                os._exit(3)
        os.waitpid(child, 0)
        with open_ledger(path) as ledger:
            assert ledger.commit(0, batch(0)) == "created"
        assert is_sound(path)


def test_a_torn_journal_loses_whole_intervals_only(path: Path, tmp_path: Path) -> None:
    """What a power cut leaves: the file and a journal cut anywhere; each interval is there whole or not at all."""
    torn = tmp_path / "torn" / path.name
    torn.parent.mkdir()
    with open_ledger(path) as ledger:
        for interval in range(3, 8):
            ledger.commit(interval, batch(interval))
        whole, journal = path.read_bytes(), path.with_name(path.name + "-wal").read_bytes()
    rng, ends = np.random.default_rng(66), set()
    for length in [0, len(journal), *rng.integers(0, len(journal), 40).tolist()]:
        shutil.rmtree(torn.parent)
        torn.parent.mkdir()
        torn.write_bytes(whole)
        torn.with_name(torn.name + "-wal").write_bytes(journal[:length])
        ends.add(intervals(torn)[-1])
        assert is_sound(torn)
        with open_ledger(torn) as ledger:
            assert ledger.commit(8, batch(8)) == "created"
        assert is_sound(torn)
    assert {2, 7} < ends <= {2, 3, 4, 5, 6, 7}


WRITER = """
import sys
from pathlib import Path
from tests.market.ledger.fakes import batch, open_ledger
with open_ledger(Path(sys.argv[1])) as ledger:
    for interval in range(3, 10_000):
        ledger.commit(interval, batch(interval, 100))
        print(interval, flush=True)
"""


def test_a_writer_killed_by_somebody_else_loses_at_most_the_open_interval(path: Path) -> None:
    rng = np.random.default_rng(65)
    for _ in range(4):
        for leftover in path.parent.glob("*-*"):
            leftover.unlink()
        done = intervals(path)[-1]
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER.replace("range(3,", f"range({done + 1},"), str(path)],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert writer.stdout is not None
        said = int(writer.stdout.readline())
        time.sleep(float(rng.uniform(0, 0.03)))
        writer.kill()
        said = int([str(said), *writer.stdout.read().split()][-1])
        writer.wait()
        writer.stdout.close()
        assert intervals(path)[-1] in (said, said + 1)
        assert is_sound(path)
    with open_ledger(path) as ledger:
        last = intervals(path)[-1]
        assert ledger.commit(last, batch(last, 100)) == "exists"
