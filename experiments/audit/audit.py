"""Audit: an episode played once more with every interval written to a ledger, its integers unchanged.

A market interval becomes one interval of the ledger (``scribe``). The clock of a ledger begins at 0 and runs on over
its episodes. Keys and salts derive from names and seeds that anybody knows: they make the same run the same file, and
keep nobody from forging another one.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import Policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.audit.scribe import Scribe
from gridbazaar.experiments.evaluation.evaluate import labelled
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.files import CannotWriteError, replacing
from gridbazaar.market.ledger.writer import Ledger


@dataclass(frozen=True, slots=True)
class Audited:
    """Where an audited run lies and what a checker needs beside the file."""

    path: Path
    policy: str
    seeds: tuple[int, ...]
    did: str  # the operator's public key
    origin: str
    checkpoint: str  # the last one; keep it elsewhere


def audit(
    core: Core,
    policy: Policy,
    name: str,
    seeds: Sequence[int],
    path: str | Path,
    *,
    split: str = "test",
    tick: Callable[[], None] | None = None,
) -> Audited:
    """Play episodes one after the other and write them to a ledger.

    Args:
        core: of one environment, with NumPy.
        policy: of all agents, with its ``name``.
        seeds: numbers of the episodes in their split; each starts anew, balances go on.
        path: the file; if it holds the beginning of the same run, that is compared and the rest added.
        split: test, validation or train.
        tick: called after every interval, for progress.
    """
    if core.n_envs != 1:
        raise ValueError(f"core: expected one environment for an audit, got {core.n_envs}")
    origin = origin_of(core, name, seeds, split)
    scribe = Scribe(core, secret_of(core, origin))
    last = len(seeds) * core.n_steps - 1
    with Ledger.open(path, scribe.operator, origin) as ledger:
        interval = 0

        def record(happened: Transition) -> None:
            nonlocal interval
            ledger.commit(
                interval, scribe.entries(interval, happened, is_first=interval == 0, is_last=interval == last)
            )
            interval += 1

        for seed in seeds:
            play(core, policy, [seed], split=split, record=record, tick=tick)
        assert ledger.checkpoint is not None
        return Audited(
            path=Path(path), policy=name, seeds=tuple(seeds), did=scribe.operator.did, origin=origin,
            checkpoint=ledger.checkpoint,
        )  # fmt: skip


def audit_evaluated(
    evaluation: Evaluation,
    policy: Any,
    path: Path,
    *,
    tick: Callable[[], None] | None = None,
    allow_code: bool = False,
) -> Audited:
    """Play the first episode of an evaluation once more with one of its policies, into a new file.

    The file has its name only when it is whole.

    Args:
        evaluation: which episode of which scenario.
        policy: one of those that ``evaluate`` takes, ``label=folder`` too; or a table with one.
        path: the file; an old one is replaced.
        tick: called after every interval, for progress.
        allow_code: as in ``evaluate``.

    Raises:
        CannotWriteError: the disk does not take it.
    """
    ((name, source),) = labelled(policy if isinstance(policy, Mapping) else [policy]).items()
    core, played = Core(evaluation.scenario, 1), load_policy(source, allow_code=allow_code)
    with replacing(path) as partial:
        try:
            audited = audit(core, played, name, evaluation.seeds[:1], partial, split=evaluation.split, tick=tick)
        except ValueError as error:
            if isinstance(error.__cause__, sqlite3.Error):
                raise CannotWriteError(None, f"cannot write: {error.__cause__}", str(path)) from error
            raise
        for end in ("-wal", "-shm"):  # beside a file that is to be replaced, from whoever wrote it last
            path.with_name(path.name + end).unlink(missing_ok=True)
    return replace(audited, path=path)


def origin_of(core: Core, name: str, seeds: Sequence[int], split: str) -> str:
    """Name the log of a run: ``gridbazaar/village/idle/test/0``."""
    numbers = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]}..{seeds[-1]}x{len(seeds)}"
    return re.sub(r"[^A-Za-z0-9._/-]", "-", f"gridbazaar/{core.scenario.name}/{name}/{split}/{numbers}")


def secret_of(core: Core, origin: str) -> bytes:
    """Give what the keys of a run derive from; no secret, as the module says."""
    return f"{origin}/{core.scenario.seed}".encode()
