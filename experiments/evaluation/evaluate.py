"""Evaluation: every policy plays the same held-out episodes, between the floor (idle) and the ceiling (optimum).

The score of a policy is ``100 x (idle - policy) / (idle - optimum)`` on the community's cost without imbalance and
standing charges, which no policy can change. The optimum is the bound of the linear program, not its replay. Where a
scenario has what the program does not cover, the score is the share of idle's cost that is saved, in percent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.optimum import solve_optimum
from gridbazaar.agents.policy import Foresight, NoBoundError
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import State
from gridbazaar.experiments.evaluation.metrics import COMMUNITY_FIGURES
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.evaluation.statistics import Interval, mean_interval, score_interval
from gridbazaar.experiments.files import versions
from gridbazaar.experiments.span import read_span, refuse_shared

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Result:
    """What one policy did on all seeds."""

    policy: str
    seeds: tuple[int, ...]
    figures: dict[str, NDArray[np.float64]]  # by name of ``metrics.COMMUNITY_FIGURES``, [n_seeds] each
    kind_cost_cur: dict[str, NDArray[np.float64]]  # by kind, [n_seeds] each
    kind_savings_cur: dict[str, NDArray[np.float64]]  # idle less policy, by kind, [n_seeds] each
    agent_cost_cur: NDArray[np.float64]  # [n_seeds, n_agents]
    scored_cur: NDArray[np.float64]  # [n_seeds] cost that counts for the score
    savings_cur: NDArray[np.float64]  # [n_seeds] idle less policy
    score: Interval


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All policies of one scenario on the same seeds."""

    scenario: Scenario
    split: str
    seeds: tuple[int, ...]
    bound_cur: NDArray[np.float64]  # [n_seeds] optimum of the linear program, on the scale of ``scored_cur``, or NaN
    results: tuple[Result, ...]
    no_bound: str | None = None  # why there is no bound

    def result(self, policy: str) -> Result:
        """Give the result of a policy by name."""
        return next(r for r in self.results if r.policy == policy)

    def paired(self, better: str, worse: str) -> Interval:
        """Give by how much ``better`` costs less than ``worse`` per episode, with the interval of the paired mean."""
        return mean_interval(self.result(worse).scored_cur - self.result(better).scored_cur)

    def rows(self) -> list[dict[str, Any]]:
        """One row a policy: mean and 95 % interval of every figure."""
        rows = []
        for r in self.results:
            row: dict[str, Any] = {"policy": r.policy, "score": asdict(r.score)}
            row["savings_cur"] = asdict(mean_interval(r.savings_cur))
            row |= {name: asdict(mean_interval(r.figures[name])) for name in COMMUNITY_FIGURES}
            row["kinds"] = {
                kind: {
                    "cost_cur": asdict(mean_interval(cost)),
                    "savings_cur": asdict(mean_interval(r.kind_savings_cur[kind])),
                }
                for kind, cost in r.kind_cost_cur.items()
            }
            rows.append(row)
        return rows

    def to_json(self) -> dict[str, Any]:
        """All figures, per seed and in the mean, with what is needed to make them again."""
        return {
            "schema": SCHEMA,
            "scenario": asdict(self.scenario),
            "split": self.split,
            "seeds": list(self.seeds),
            "versions": versions(),
            "bound_cur": None if self.no_bound else self.bound_cur.tolist(),
            "no_bound": self.no_bound,
            "policies": self.rows(),
            "per_seed": {
                r.policy: {name: values.tolist() for name, values in r.figures.items()}
                | {"scored_cur": r.scored_cur.tolist()}
                for r in self.results
            },
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a policy and seed."""
        import pandas as pd

        frames = [
            pd.DataFrame(r.figures | {f"{k}_cost_cur": v for k, v in r.kind_cost_cur.items()}).assign(
                policy=r.policy, seed=r.seeds, scored_cur=r.scored_cur, savings_cur=r.savings_cur
            )
            for r in self.results
        ]
        return pd.concat(frames, ignore_index=True)


def optimum_cost_cur(core: Core, seeds: Sequence[int] | NDArray[np.int64], split: str) -> NDArray[np.float64]:
    """Give the bound of each episode on the scale of ``Tally.scored_cur``, [n_seeds].

    Raises:
        NoBoundError: the scenario has what the program does not cover.
    """
    state = core.reset(np.asarray(seeds, np.int64), split=split)
    return _bound_cur(core, state, foresight(core, state))


def _bound_cur(core: Core, state: State, ahead: Foresight) -> NDArray[np.float64]:
    return np.asarray(solve_optimum(ahead, core.scenario.step_h).cost_cur + core.stored_value_cur(state).sum(1))


def ceiling_cur(idle: NDArray[np.float64], bound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the cost that scores 100: the bound, or where there is none, nothing of what idle costs."""
    return np.where(np.isfinite(bound), bound, idle - np.abs(idle))


def evaluate(
    scenario: Scenario | str,
    policies: Sequence[str],
    *,
    seeds: int | Sequence[int] = 20,
    split: str = "test",
    tick: Callable[[str, int, int], None] | None = None,
    **overrides: Any,
) -> Evaluation:
    """Play policies on the same episodes.

    Args:
        scenario: a scenario or its name, with ``overrides``.
        policies: names, or folders of training runs; ``label=folder`` shows a run under a name of its own. Idle is
            always played, it is the floor.
        seeds: how many episodes (0, 1, ...), or their numbers.
        split: test (held out from training), validation or train.
        tick: called with (policy, intervals done, intervals in all), for progress; first the ``bound`` is computed.
    """
    chosen = load_scenario(scenario, **overrides)
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(int(s) for s in seeds)
    if not numbers:
        raise ValueError("seeds: expected at least one")
    sources = labelled(["idle", *policies])
    loaded = {name: load_policy(source) for name, source in sources.items()}
    if split != "train":  # the episodes of training are asked for by name
        _refuse_trained_on(sources.values(), chosen, split, numbers)
    names = list(loaded)
    batches = [numbers[i : i + _BATCH] for i in range(0, len(numbers), _BATCH)]
    parts: dict[str, list[Any]] = {name: [] for name in names}
    bounds: list[NDArray[np.float64]] = []
    no_bound = None
    done = dict.fromkeys(["bound", *names], 0)

    def count(name: str) -> None:
        done[name] += 1
        if tick is not None:
            tick(name, done[name], len(batches) * (1 if name == "bound" else chosen.n_steps))

    for batch in batches:
        core = Core(chosen, len(batch))
        state = core.reset(np.asarray(batch, np.int64), split=split)
        ahead = None
        try:
            ahead = foresight(core, state)
            bounds.append(_bound_cur(core, state, ahead))
        except NoBoundError as error:
            no_bound = str(error)
            bounds.append(np.full(len(batch), np.nan))
        count("bound")
        for name, policy in loaded.items():
            parts[name].append(play(core, policy, batch, split=split, ahead=ahead, tick=partial(count, name)).tally)
    bound_cur = np.concatenate(bounds)
    idle = np.concatenate([t.scored_cur for t in parts["idle"]])
    idle_kinds = _joined([t.kind_cost_cur() for t in parts["idle"]])
    results = []
    for name in names:
        scored = np.concatenate([t.scored_cur for t in parts[name]])
        kinds = _joined([t.kind_cost_cur() for t in parts[name]])
        results.append(
            Result(
                policy=name,
                seeds=numbers,
                figures=_joined([t.figures() for t in parts[name]]),
                kind_cost_cur=kinds,
                kind_savings_cur={kind: idle_kinds[kind] - cost for kind, cost in kinds.items()},
                agent_cost_cur=np.concatenate([t.cost_cur for t in parts[name]]),
                scored_cur=scored,
                savings_cur=idle - scored,
                score=score_interval(idle, scored, ceiling_cur(idle, bound_cur)),
            )
        )
        operator = np.concatenate([t.operator_cur for t in parts[name]])
        _refuse_above_bound(name, numbers, scored + operator, bound_cur)
    return Evaluation(
        scenario=chosen, split=split, seeds=numbers, bound_cur=bound_cur, results=tuple(results), no_bound=no_bound
    )


def _refuse_trained_on(sources: Iterable[str], scenario: Scenario, split: str, seeds: tuple[int, ...]) -> None:
    """Refuse episodes of which a run among the policies may have seen a part in training."""
    for source in sources:
        span = read_span(source)
        if span is not None:
            refuse_shared(source, span, scenario, split, seeds)


def labelled(policies: Sequence[str]) -> dict[str, str]:
    """Name each policy: ``label=folder`` gives a run a label, everything else is its own."""
    named: dict[str, str] = {}
    for text in policies:
        label, found, source = text.partition("=")
        if not found or Path(text).exists():
            label = source = text
        if named.setdefault(label, source) != source:
            raise ValueError(f"policies: two are named {label!r}, {named[label]} and {source}; expected one name each")
    return named


def _joined(parts: list[dict[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def _refuse_above_bound(
    name: str, seeds: tuple[int, ...], scored: NDArray[np.float64], bound: NDArray[np.float64]
) -> None:
    """A policy that beats the bound is an error of ours; what a rule's deficit pays for counts as cost here."""
    beaten = np.flatnonzero(scored < bound - 1e-4 * np.maximum(np.abs(bound), 1.0))
    if len(beaten):
        rows = ", ".join(f"seed {seeds[i]}: {scored[i]:.4f} < {bound[i]:.4f}" for i in beaten[:5])
        raise AssertionError(f"{name} costs less than the optimum's lower bound ({rows}); please report it")
