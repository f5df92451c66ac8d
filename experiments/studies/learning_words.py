"""Learning on real homes: the tables and the answer, made from what ``learning_real`` found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gridbazaar.experiments.evaluation.statistics import Interval
from gridbazaar.experiments.studies.learning_real import MPC, Found, learn, study_folder
from gridbazaar.experiments.studies.result import Result, Table, is_told, number, with_ends

DAYS_A_WEEK = 7
_KINDS = {"prosumer": "homes", "battery": "batteries", "ev": "cars", "vpp": "VPPs"}


def learning_real(weeks: int, tick: Callable[[], None] | None = None) -> Result:
    """Train, choose and play on the homes of the folder that ``GRIDBAZAAR_DATASETS`` names.

    Args:
        weeks: seven days of the test weeks are played for each.
        tick: called now and then, for progress.
    """
    datasets = study_folder()
    with TemporaryDirectory() as folder:
        return told(learn(datasets, Path(folder), DAYS_A_WEEK * weeks, tick=tick))


def told(found: Found) -> Result:
    """Make tables and sentences of what was found."""
    return Result(
        {"costs": _costs(found), "less": _less(found), "kinds": _kinds(found), "rules": _rules(found)},
        {"verdict": "\n".join(f"- {said}" for said in _verdict(found))},
    )


def _costs(found: Found) -> Table:
    """What a day costs under each policy, from idle to the bound."""
    head = ["policy", "cost, EUR a day", "less than idle", "of the way to the replay"]
    replays = found.played.replays
    idle = found.played.result("idle").scored_cur
    played = {"idle": found.cost_cur("idle"), _named(found, found.rule): found.cost_cur(found.rule)}
    played["MPC, re-planned every interval"] = found.cost_cur(MPC)
    played |= {_named(found, on): found.cost_cur(on) for on in found.runs}
    if replays is not None:
        played["optimum, replayed with the forecasts that there are"] = replays.cost_cur[None]
        played["optimum, replayed with perfect forecasts"] = replays.perfect_cur[None]
        played["the bound"] = found.played.bound_cur[None]
    way = float("nan") if replays is None else float((idle - replays.cost_cur).mean())
    table = [head]
    for name, cost in played.items():
        saved = float(idle.mean() - cost.mean())
        share = f"{100 * saved / way:.0f} %" if way > 0 else ""
        each = f" ({number(min(cost.mean(1)))} to {number(max(cost.mean(1)))})" if len(cost) > 1 else ""
        table.append([name, number(cost.mean()) + each, "" if name == "idle" else number(saved), share])
    return table


def _less(found: Found) -> Table:
    """What was learned costs less than the best rule and MPC, in all and in each run."""
    head = [
        "learned on", "than", "less, EUR a day", "weeks drawn anew in place of days", "in each run", "share of days",
    ]  # fmt: skip
    table = [head]
    for on in found.runs:
        for than, name in ((found.rule, f"`{found.rule}`"), (MPC, "MPC")):
            each = "; ".join(with_ends(one) for one in found.less_in_each(on, than))
            lower = (found.cost_cur(on) < found.cost_cur(than)).mean()
            table.append([
                on, name, with_ends(found.less(on, than)), with_ends(found.less_by_weeks(on, than)), each,
                f"{100 * lower:.0f} %",
            ])  # fmt: skip
    return table


def _kinds(found: Found) -> Table:
    """What each kind saves against idle."""
    kinds = [kind for kind in found.played.parts if kind in _KINDS]
    head = ["policy", *(f"{_KINDS[kind]} save, EUR a day" for kind in kinds), "all"]
    table = [head]
    for who in (found.rule, MPC, *found.runs):
        cells = [with_ends(found.less(who, "idle", kind)) for kind in kinds]
        table.append([_named(found, who), *cells, with_ends(found.less(who, "idle"))])
    return table


def _rules(found: Found) -> Table:
    """What rules cost on validation weeks."""
    by_cost = sorted(found.rules_cur, key=lambda name: found.rules_cur[name])
    return [
        ["rule", "cost on validation weeks, EUR a day"],
        *([name if name == "idle" else f"`{name}`", number(found.rules_cur[name])] for name in by_cost),
    ]


def _named(found: Found, who: str) -> str:
    if who in found.runs:
        n = len(found.runs[who])
        return f"learned on {who}, {n} run{'s' * (n > 1)}"
    return "MPC" if who == MPC else f"best rule, `{who}`"


def _verdict(found: Found) -> Iterator[str]:
    days = f"on {len(found.week)} days of {len(np.unique(found.week))} weeks that nobody trained on"
    for on in found.runs:
        above, by_weeks = found.less(on, found.rule), found.less_by_weeks(on, found.rule)
        each = [one.low > 0 for one in found.less_in_each(on, found.rule)]
        clear = "clear of zero" if above.low > 0 else "**not clear of zero**"
        also = "also" if by_weeks.low > 0 else "**but not**"
        yield (
            f"**Learned on {on}**: {days} {with_ends(above)} EUR a day less than `{found.rule}`, the best rule, "
            f"{clear}, in {sum(each)} of {len(each)} runs alone, and {also} where whole weeks are drawn anew "
            f"({with_ends(by_weeks)})."
        )
        yield f"Learned on {on}: {_more_or_less(found.less(on, MPC))} than MPC."
    first, second = found.runs
    worth = found.less(first, second)
    of_idle = 100 * worth.mean / found.cost_cur("idle").mean()
    yield (
        f"Who learned on {first} costs {_more_or_less(worth)} than who learned on {second}: {of_idle:.1f} % of what "
        "idle costs."
    )


def _more_or_less(less: Interval) -> str:
    """Say a difference with the sign in words, and whether it is one."""
    turned = Interval(-less.mean, -less.high, -less.low) if less.mean < 0 else less
    doubt = "" if is_told(less) else " (which cannot be told from nothing)"
    return f"{with_ends(turned)} EUR a day {'more' if less.mean < 0 else 'less'}{doubt}"
