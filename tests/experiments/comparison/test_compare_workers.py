"""Workers of a comparison: the same tables to the byte however many play, also where one of them is killed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from gridbazaar.experiments.comparison import study as studies
from gridbazaar.experiments.comparison.asked import Asked, ask
from gridbazaar.experiments.comparison.study import study
from gridbazaar.experiments.comparison.write import tables_of
from gridbazaar.experiments.workers import Workers

SMALL: dict[str, Any] = {
    "hours": 3, "step_min": 60, "data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 80,
}  # fmt: skip
DEADLY = '''"""Idles; the first process that plays it kills itself where it is a worker's."""
import os
import signal
from pathlib import Path

from gridbazaar.agents.policies import idle

MARK, FATHER = Path({mark!r}), {father}


class Policy(idle.Policy):
    def start(self, community, rng, episode=None):
        if os.getpid() != FATHER and not MARK.exists():
            MARK.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().start(community, rng, episode)
'''


def asked(policies: list[str], seeds: int = 2, **more: Any) -> Asked:
    given: dict[str, Any] = {"designs": ["de_flat_eeg"], "automated": [0.5, 1.0]} | more
    return ask("street", ["flat", "tou"], policies, ["uniform_price"], seeds=seeds, **given, **SMALL)


def written(given: Asked, workers: int | None = None) -> list[str]:
    """All tables as text."""
    found = study(given, workers=None if workers is None else Workers(workers))
    return [table.to_csv(index=False) for table in tables_of(found)]


def test_parts_that_were_sent_give_what_one_process_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and what comes of them go through pickle, as they do to and from a worker."""
    given = asked(["self_consumption"], seeds=1, automated=[0.5], designs=())
    ticks: list[tuple[str, int, int]] = []

    def sent(function: Any, parts: Any, workers: Any, done: Any) -> list[Any]:
        assert workers == Workers(2)
        found = []
        for i, part in enumerate(parts):
            found.append(pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(part))))))
            done(i)
        return found

    whole = written(given)
    monkeypatch.setattr(studies, "each", sent)
    found = study(given, workers=Workers(2), tick=lambda *told: ticks.append(told))
    assert [table.to_csv(index=False) for table in tables_of(found)] == whole
    parts = {"first best", "none: flat, tou", "uniform_price: flat, tou"}
    assert parts <= {name for name, _, _ in ticks}


@pytest.mark.slow
def test_one_worker_or_two_write_the_same_to_the_byte() -> None:
    given = asked(["self_consumption", "opportunity_cost"], seeds=5)
    assert written(given) == written(given, 1) == written(given, 2)


@pytest.mark.slow
def test_a_part_whose_worker_was_killed_is_played_again(tmp_path: Path) -> None:
    import os

    path, mark = tmp_path / "deadly.py", tmp_path / "mark"
    path.write_text(DEADLY.format(mark=str(mark), father=os.getpid()), encoding="utf-8")
    given = asked([f"mine={path}"], automated=())
    alone = written(given)
    assert not mark.exists()
    assert written(given, 2) == alone
    assert mark.exists()
