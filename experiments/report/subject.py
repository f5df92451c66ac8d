"""What a report is about: an evaluation, the policy in the middle of it, and the days that were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridbazaar.agents.policies import is_learned
from gridbazaar.experiments.evaluation.play import Played
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.evaluation.statistics import Interval
from gridbazaar.experiments.report.day import Day, day_of
from gridbazaar.experiments.report.table import best_first, policy_names

FEW_SEEDS = 5  # below so many episodes nothing is said to be clear of zero


@dataclass(frozen=True, slots=True)
class Subject:
    """What the report is about: the evaluation, the policy in the middle of it, and its day."""

    evaluation: Evaluation
    names: dict[str, str]
    hero: str  # the first trained policy; without one the best rule
    days: dict[str, Day]
    shown: str  # the policy whose day is shown
    curve: Sequence[Mapping[str, float]]

    @property
    def currency(self) -> str:
        return self.evaluation.scenario.currency

    def name(self, policy: str) -> str:
        return self.names[policy]

    def others(self) -> list[str]:
        """All policies but the one in the middle, best first."""
        return [row["policy"] for row in best_first(self.evaluation) if row["policy"] != self.hero]

    def paired(self, other: str) -> Interval:
        """By how much the policy in the middle costs less than another, per episode."""
        return self.evaluation.paired(self.hero, other)


def subject_of(evaluation: Evaluation, days: Mapping[str, Played], curve: Sequence[Mapping[str, float]]) -> Subject:
    """Choose the policy in the middle and the day that is shown; arguments as in ``write_report``."""
    policies = [r.policy for r in evaluation.results]
    if unknown := [p for p in days if p not in policies]:
        raise ValueError(f"days: expected policies of the evaluation ({', '.join(policies)}), got {', '.join(unknown)}")
    ranked = [row["policy"] for row in best_first(evaluation) if row["policy"] not in ("optimum", "idle")]
    hero = next((p for p in policies if is_learned(p)), ranked[0] if ranked else policies[0])
    kept = {p: day_of(played) for p, played in days.items()}
    shown = hero if hero in kept else next((p for p in ranked if p in kept), next(iter(kept), hero))
    return Subject(evaluation=evaluation, names=policy_names(policies), hero=hero, days=kept, shown=shown, curve=curve)


def verdict(found: Interval, n: int) -> str:
    """less, more, or nothing where the interval holds zero or rests on too few episodes."""
    if n < FEW_SEEDS:
        return ""
    return "less" if found.low > 0 else "more" if found.high < 0 else ""
