"""Comparison of tariffs: the same policies on the same episodes, what each kind of agent pays under each tariff."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.design_bills import DesignBills, bills_under
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.given import read_given, with_tariff
from gridbazaar.experiments.evaluation.metrics import OPERATOR
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.evaluation.statistics import Interval, mean_interval
from gridbazaar.experiments.files import versions
from gridbazaar.experiments.workers import Workers
from gridbazaar.market.design import Design

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
"""Stands for the whole community among the kinds."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one kind pays with one policy under one tariff, per episode."""

    tariff: str
    policy: str
    kind: str
    cost_cur: Interval
    more_cur: Interval  # than under the first tariff, paired by episode


class Drawn(NamedTuple):
    """The bills of an episode under a design, and what was played."""

    tariff: str
    policy: str
    bills: DesignBills


@dataclass(frozen=True, slots=True)
class Comparison:
    """One evaluation a tariff; the first is the reference."""

    evaluations: dict[str, Evaluation]
    designs: tuple[Design, ...] = ()  # under which the meters are billed too, the dispatch as it was
    is_part: bool = False  # bill a part of a year of netting

    @property
    def reference(self) -> str:
        return next(iter(self.evaluations))

    @property
    def operator_bears(self) -> bool:
        """Whether who runs the market pays or keeps money anywhere."""
        return any(OPERATOR in e.parts for e in self.evaluations.values())

    def cost_cur(self, tariff: str, policy: str) -> dict[str, NDArray[np.float64]]:
        """Cost by kind and of all, [n_seeds] each."""
        result = self.evaluations[tariff].result(policy)
        return result.kind_cost_cur | {ALL: result.figures["cost_cur"]}

    def rows(self) -> list[Row]:
        """One row a tariff, policy and kind."""
        rows = []
        for tariff, evaluation in self.evaluations.items():
            for policy in (r.policy for r in evaluation.results):
                first = self.cost_cur(self.reference, policy)
                for kind, cost in self.cost_cur(tariff, policy).items():
                    if kind == OPERATOR and not self.operator_bears:
                        continue
                    more = mean_interval(cost - first[kind])
                    rows.append(
                        Row(tariff=tariff, policy=policy, kind=kind, cost_cur=mean_interval(cost), more_cur=more)
                    )
        return rows

    def to_json(self) -> dict[str, Any]:
        """All rows, the costs of every episode, and what is needed to make them again."""
        first = self.evaluations[self.reference]
        return {
            "schema": 1,
            "reference": self.reference,
            "scenarios": {tariff: asdict(e.scenario) for tariff, e in self.evaluations.items()},
            "split": first.split,
            "seeds": list(first.seeds),
            "versions": versions(),
            "rows": [asdict(row) for row in self.rows()],
            "per_seed": {
                tariff: {r.policy: self.cost_cur(tariff, r.policy) for r in e.results}
                for tariff, e in self.evaluations.items()
            },
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a tariff, policy and kind: mean and interval of the cost and of the paired difference."""
        import pandas as pd

        records = []
        for row in self.rows():
            record: dict[str, Any] = {"tariff": row.tariff, "policy": row.policy, "kind": row.kind}
            for name in ("cost_cur", "more_cur"):
                interval = getattr(row, name)
                record |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
            records.append(record)
        return pd.DataFrame(records)

    def accounts(self) -> pd.DataFrame:
        """One row a tariff, policy, calendar month, episode and party: what its meter showed and what it was billed."""
        import pandas as pd

        frames = [
            book.to_frame().assign(tariff=tariff, policy=result.policy)
            for tariff, evaluation in self.evaluations.items()
            for result in evaluation.results
            for book in result.accounts
        ]
        found = pd.concat(frames, ignore_index=True)
        return found[["tariff", "policy", *found.columns[:-2]]]

    def drawn(self) -> list[Drawn]:
        """Draw up the bills of each episode under each design, for what came under each tariff and policy."""
        return [
            Drawn(tariff, result.policy, bills)
            for tariff, evaluation in self.evaluations.items()
            for result in evaluation.results
            for design in self.designs
            for book in result.accounts
            for bills in bills_under(design, book, is_part=self.is_part)
        ]


def bills_frame(drawn: Sequence[Drawn]) -> pd.DataFrame:
    """One row a tariff that was played, policy, design, episode, customer, calendar month and line of the bill."""
    import pandas as pd

    frames = [one.bills.to_frame().assign(tariff=one.tariff, policy=one.policy) for one in drawn]
    found = pd.concat(frames, ignore_index=True)
    return found[["tariff", "policy", *found.columns[:-2]]]


def compare(
    scenario: str,
    tariffs: Sequence[Any],
    policies: Mapping[str, Any] | Sequence[Any],
    *,
    seeds: int | Sequence[int] = 20,
    split: str = "test",
    designs: Sequence[Any] = (),
    customers: str | Path | None = None,
    rates: Mapping[str, float] | None = None,
    is_part: bool = False,
    allow_code: bool = False,
    workers: Workers | int | None = None,
    tick: Callable[[str, int, int], None] | None = None,
    **overrides: Any,
) -> Comparison:
    """Evaluate policies under each tariff on the same episodes.

    Args:
        scenario: its name, with ``overrides``.
        tariffs: names or paths of tariffs and designs, or objects; differences are taken from the first.
        policies, seeds, split, allow_code, workers, tick: as in ``evaluate``.
        designs: names, paths or objects of tariff designs, under which the meters that came are billed too.
        customers: the scenario's ``community``, as a CSV: whose devices are one meter, who is a member and automated.
        rates: of one unit of other currencies in that of the scenario, by currency; designs in others are refused.
        is_part: bill a part of a year of netting.
    """
    given = read_given(
        scenario, tariffs, designs, customers=customers, rates=rates, seeds=seeds, split=split, is_part=is_part,
        allow_code=allow_code, **overrides,
    )  # fmt: skip
    worlds = {
        name: load_scenario(
            scenario, allow_code=allow_code, **with_tariff(given.overrides, source, is_read=name in given.rate_of)
        )
        for name, source in given.sources.items()
    }

    def told(tariff: str) -> Callable[[str, int, int], None] | None:
        if tick is None:
            return None
        report = tick
        return lambda name, done, total: report(f"{tariff}: {name}", done, total)

    return Comparison(
        {
            t: evaluate(
                world,
                policies,
                seeds=given.seeds,
                split=split,
                bound=False,
                accounts=True,
                allow_code=allow_code,
                workers=workers,
                tick=told(t),
            )
            for t, world in worlds.items()
        },
        designs=given.designs,
        is_part=is_part,
    )
