"""What an evaluation found: by policy and seed, as tables, JSON and frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.bound import ceiling_cur
from gridbazaar.experiments.evaluation.metrics import COMMUNITY_FIGURES, OPERATOR
from gridbazaar.experiments.evaluation.runs import Pooled, pooled
from gridbazaar.experiments.evaluation.statistics import Interval, mean_interval
from gridbazaar.experiments.files import versions

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Result:
    """What one policy did on all seeds."""

    policy: str
    seeds: tuple[int, ...]
    figures: dict[str, NDArray[np.float64]]  # by name of ``metrics.COMMUNITY_FIGURES``, [n_seeds] each
    kind_cost_cur: dict[str, NDArray[np.float64]]  # by kind and of the market operator, [n_seeds] each
    kind_savings_cur: dict[str, NDArray[np.float64]]  # idle less policy, likewise
    agent_cost_cur: NDArray[np.float64]  # [n_seeds, n_agents]
    scored_cur: NDArray[np.float64]  # [n_seeds] the figure ``cost_cur``
    savings_cur: NDArray[np.float64]  # [n_seeds] idle less policy
    score: Interval  # share of the way from idle to the bound, percent
    of_replay: Interval  # share of the way from idle to the replay; NaN where there is none
    of_perfect: Interval  # to the replay without errors of forecasts
    accounts: tuple[Accounts, ...] = ()  # of each batch of episodes, where they were asked for


@dataclass(frozen=True, slots=True)
class Replays:
    """The optimum's schedule played through the market, [n_seeds] cost each."""

    cost_cur: NDArray[np.float64]
    perfect_cur: NDArray[np.float64]  # as if forecasts did not err
    score: Interval  # share of the way from idle to the bound, percent
    perfect_score: Interval


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All policies of one scenario on the same seeds."""

    scenario: Scenario
    split: str
    seeds: tuple[int, ...]
    bound_cur: NDArray[np.float64]  # [n_seeds] least cost that any policy can have, or NaN
    results: tuple[Result, ...]
    replays: Replays | None = None  # none where there is no bound, or they were not asked for
    no_bound: str | None = None  # why there is no bound
    code: Mapping[str, str] = field(default_factory=dict)  # policies of one's own: name and hash of the file
    runs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # policies that are runs of one folder of runs

    def result(self, policy: str) -> Result:
        """Give the result of a policy by name."""
        return next(r for r in self.results if r.policy == policy)

    def over_runs(self, first: str | None = None) -> tuple[Pooled, ...]:
        """Put the runs of each folder of runs together, see ``runs.pooled``; differences are from ``first``."""
        ceiling = ceiling_cur(self.result("idle").scored_cur, self.bound_cur)
        return pooled({r.policy: r.scored_cur for r in self.results}, ceiling, self.runs, first)

    def paired(self, better: str, worse: str) -> Interval:
        """Give by how much ``better`` costs less than ``worse`` per episode, with the interval of the paired mean."""
        return mean_interval(self.result(worse).scored_cur - self.result(better).scored_cur)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of what the cost is made of: the kinds, and who runs the market where that one pays or keeps money."""
        bears = any(r.kind_cost_cur[OPERATOR].any() for r in self.results)
        return (*self.scenario.kind_slices, *[OPERATOR] * bears)

    def rows(self) -> list[dict[str, Any]]:
        """One row a policy: mean and 95 % interval of every figure."""
        rows = []
        for r in self.results:
            row: dict[str, Any] = {"policy": r.policy}
            row |= {name: asdict(getattr(r, name)) for name in ("score", "of_replay", "of_perfect")}
            row["savings_cur"] = asdict(mean_interval(r.savings_cur))
            row |= {name: asdict(mean_interval(r.figures[name])) for name in COMMUNITY_FIGURES}
            row["kinds"] = {
                kind: {
                    "cost_cur": asdict(mean_interval(cost)),
                    "savings_cur": asdict(mean_interval(r.kind_savings_cur[kind])),
                }
                for kind, cost in r.kind_cost_cur.items()
                if kind in self.parts
            }
            rows.append(row)
        return rows

    def to_json(self) -> dict[str, Any]:
        """All figures, per seed and in the mean, with what is needed to make them again.

        ``docs/score.md`` says what its keys hold.
        """
        return {
            "schema": SCHEMA,
            "scenario": asdict(self.scenario),
            "split": self.split,
            "seeds": list(self.seeds),
            "versions": versions(),
            "bound_cur": None if self.no_bound else self.bound_cur.tolist(),
            "no_bound": self.no_bound,
            "replays": None if self.replays is None else _plain(self.replays),
            "policies": self.rows(),
            "code": dict(self.code),
            "over_runs": [asdict(each) for each in self.over_runs()] if self.runs else None,
            "per_seed": {r.policy: {name: values.tolist() for name, values in r.figures.items()} for r in self.results},
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a policy and seed."""
        import pandas as pd

        frames = [
            pd.DataFrame(r.figures | {f"{k}_cost_cur": v for k, v in r.kind_cost_cur.items()}).assign(
                policy=r.policy, seed=r.seeds, savings_cur=r.savings_cur
            )
            for r in self.results
        ]
        return pd.concat(frames, ignore_index=True)


def _plain(replays: Replays) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in asdict(replays).items()}
