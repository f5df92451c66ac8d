"""Tables of an evaluation: what their columns are, how numbers are written, and tables for a terminal or a page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridbazaar.agents.policies import is_learned
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.evaluation.runs import first_of
from gridbazaar.experiments.evaluation.statistics import Interval

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of ``Evaluation.rows()`` as tables show it."""

    title: str
    short: str  # for terminals
    unit: str
    key: str
    digits: int
    factor: float = 1.0

    def interval(self, row: dict[str, Any]) -> Interval:
        """Read the figure from a row, in the column's unit."""
        found = row[self.key]
        return Interval(*(self.factor * found[name] for name in ("mean", "low", "high")))


def columns(evaluation: Evaluation) -> tuple[Column, ...]:
    """Give the columns of the table of policies; the first is the score."""
    currency = evaluation.scenario.currency
    score = Column("share saved", "saved", "%", "score", 1) if evaluation.no_bound else _SCORE
    lost_something = any(r.figures["lost_load_cur"].any() for r in evaluation.results)
    lost = (
        Column("lost load", "lost\nload", currency, "lost_load_cur", 2),
        Column("shed", "shed", "kWh", "shed_kwh", 1),
    )
    return (
        score,
        *_OF_REPLAYS * (evaluation.replays is not None),
        Column("cost", "cost", currency, "cost_cur", 2),
        Column("savings", "saved", currency, "savings_cur", 2),
        *lost * lost_something,
        Column("self-sufficiency", "self-\nsuff.", "%", "self_sufficiency", 1, 100),
        Column("self-consumption", "self-\ncons.", "%", "self_consumption", 1, 100),
        Column("peak import", "peak", "kW", "peak_import_kw", 1),
        Column("traded locally", "local\ntrade", "%", "traded_share", 1, 100),
        Column("losses", "loss", "kWh", "loss_kwh", 1),
        Column("violations", "viol.", "pu min", "violation_pu_min", 3),
        Column("curtailed", "curt.", "kWh", "curtailed_kwh", 1),
        Column("carbon", "CO2", "kg", "carbon_kg", 1),
        Column("unserved", "un-\nserved", "kWh", "unserved_kwh", 1),
    )


_SCORE = Column("score", "score", "", "score", 1)
_OF_REPLAYS = (
    Column("of the replay", "of\nreplay", "%", "of_replay", 1),
    Column("of the replay without errors", "of it,\nperfect", "%", "of_perfect", 1),
)


def ceilings(evaluation: Evaluation) -> str:
    """Say what the bound and the replays of the optimum cost and score; nothing where there are none."""
    found, currency = evaluation.replays, evaluation.scenario.currency
    if found is None:
        return ""
    bound, replay, perfect = (float(x.mean()) for x in (evaluation.bound_cur, found.cost_cur, found.perfect_cur))
    return (
        f"bound {number(bound, 2)} {currency} (score 100); the optimum's replay {number(replay, 2)} "
        f"(score {number(found.score.mean, 1)}), with perfect forecasts {number(perfect, 2)} "
        f"({number(found.perfect_score.mean, 1)})"
    )


def number(x: float, digits: int) -> str:
    """Write a number with so many digits after the point; what is no number is a dash, and zero has no sign."""
    if not math.isfinite(x):
        return "-"
    text = f"{x:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def span(found: Interval, digits: int) -> str:
    """Write an interval's ends: ``[low, high]``; nothing where there is no interval."""
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return ""
    return f"[{number(found.low, digits)}, {number(found.high, digits)}]"


def policy_names(policies: Sequence[str]) -> dict[str, str]:
    """Give the names that tables and pictures show: rules and labels keep theirs, a run's folder is called ``trained``.

    Several folders are told apart by their last part, or where that is not enough by all of it.
    """
    folders = {p: Path(p).name for p in policies if is_learned(p) and Path(p).name != p}
    if len(folders) == 1 and "trained" not in policies:
        return {p: "trained" if p in folders else p for p in policies}
    if len(set(folders.values())) < len(folders):
        folders = {p: p for p in folders}
    return {p: f"trained {folders[p]}" if p in folders else p for p in policies}


def terminal_table(evaluation: Evaluation, width: int = 120) -> Table:
    """All policies, best first: scores with their 95 % intervals, means of the other figures.

    Args:
        evaluation: what to show.
        width: characters in a line; figures that do not fit are left out from the right, and named below the table.
    """
    n, names = len(evaluation.seeds), policy_names([r.policy for r in evaluation.results])
    rows, (score, *others) = best_first(evaluation), columns(evaluation)
    cells = [[names[row["policy"]] for row in rows], [_with_span(score.interval(row), 1, 1) for row in rows]]
    heads = ["policy", f"{score.short}{score.unit and f', {score.unit}'}{_INTERVAL * (n > 1)}"]
    for column in others:
        cells.append([number(column.interval(row).mean, column.digits) for row in rows])
        heads.append(f"{column.short}\n{column.unit}")
    fitting = _fitting(heads, cells, width)
    table = _table(heads[:fitting], cells[:fitting], [is_learned(row["policy"]) for row in rows])
    table.title = f"{evaluation.scenario.name}: mean of {n} {evaluation.split} episode{'s' * (n > 1)}"
    captions = [f"no score, but the share of idle's cost that is saved: {evaluation.no_bound}"] * bool(
        evaluation.no_bound
    )
    captions += [ceilings(evaluation)] * (evaluation.replays is not None)
    if fitting < len(heads):
        captions.append(f"left out for want of width: {', '.join(c.title for c in others[fitting - 2 :])}")
    table.caption = "\n".join(captions) or None
    return table


def kind_table(evaluation: Evaluation, width: int = 120) -> Table:
    """What each kind pays under each policy, and what it saves against idle.

    Args:
        evaluation: what to show.
        width: characters in a line; where they do not fit, costs are left out, then the 95 % intervals of savings.
    """
    names = policy_names([r.policy for r in evaluation.results])
    rows, currency = best_first(evaluation), evaluation.scenario.currency
    for costs, intervals in ((True, True), (False, True), (False, False)):
        heads, cells = ["policy"], [[names[row["policy"]] for row in rows]]
        for kind in evaluation.parts:
            found = [row["kinds"][kind] for row in rows]
            if costs:
                heads.append(f"{part_words(kind)}\ncost")
                cells.append([number(f["cost_cur"]["mean"], 2) for f in found])
            saved = [Interval(**f["savings_cur"]) for f in found]
            heads.append(f"{'' if costs else part_words(kind)}\nsaved")
            cells.append([_with_span(i, 2, 1) if intervals else number(i.mean, 2) for i in saved])
        if _fitting(heads, cells, width) == len(heads):
            break
    table = _table(heads, cells, [is_learned(row["policy"]) for row in rows])
    table.title = f"{evaluation.scenario.name}: {currency} per episode by kind, together the cost; saved against idle"
    return table


_INTERVAL = "\n[95 % interval]"


def runs_table(evaluation: Evaluation, first: str | None = None) -> Table:
    """Runs of several training seeds put together: intervals over seeds and episodes, differences from ``first``."""
    found = evaluation.over_runs(first)
    first = first_of((r.policy for r in evaluation.results), evaluation.runs, first)
    cells = [
        [each.policy for each in found],
        [str(each.n_runs) for each in found],
        [_with_span(each.score, 1, 1) for each in found],
        [_with_span(each.cost_cur, 2, 2) for each in found],
        [_with_span(each.saved_cur, 2, 2) for each in found],
    ]
    heads = ["policy", "runs", "score [95 %]", f"cost, {evaluation.scenario.currency}", f"less than {first}"]
    table = _table(heads, cells, [each.n_runs > 1 for each in found])
    table.title = "over training seeds and episodes"
    return table


def part_words(part: str) -> str:
    """Name a kind, or who runs the market, as tables show it."""
    return part.replace("_", " ")


def _with_span(found: Interval, digits: int, span_digits: int) -> str:
    return f"{number(found.mean, digits)} {span(found, span_digits)}".rstrip()


def _fitting(heads: list[str], cells: list[list[str]], width: int) -> int:
    """How many columns fit, two blanks after each; at least two."""
    used = 1
    for i, (head, column) in enumerate(zip(heads, cells, strict=True)):
        used += 2 + max(map(len, [*head.split("\n"), *column]))
        if used > width:
            return max(i, 2)
    return len(heads)


def _table(heads: list[str], cells: list[list[str]], is_bold: list[bool]) -> Table:
    """Lay columns side by side; names are no markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left", caption_justify="left"
    )
    for i, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if i else "left", vertical="bottom", overflow="fold")
    for row, bold in zip(zip(*cells, strict=True), is_bold, strict=True):
        table.add_row(*map(Text, row), style="bold" if bold else "")
    return table


def best_first(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Give the rows of an evaluation, the highest score first; policies without a score last."""

    def rank(row: dict[str, Any]) -> float:
        score = row["score"]["mean"]
        return -score if math.isfinite(score) else math.inf

    return sorted(evaluation.rows(), key=rank)


def html_number(x: float, digits: int) -> str:
    """Write a number for a page, with a true minus sign."""
    return number(float(x), digits).replace("-", "\N{MINUS SIGN}")


def html_span(found: Interval, digits: int) -> str:
    """Write an interval's ends for a page, after a blank; nothing where there is no interval."""
    text = span(found, digits).replace("-", "\N{MINUS SIGN}")
    return f' <span class="ci">{text}</span>' if text else ""


def html_cell(found: Interval, digits: int) -> str:
    """Write a mean with its interval below, if there is one."""
    ends = html_span(found, digits)
    return html_number(found.mean, digits) + (f"<br><small>{ends}</small>" if ends else "")


_TIGHT = 3


def html_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], note: str, bold: Iterable[int] = (), *, narrow: bool = False,
    tight: bool = False,
) -> str:  # fmt: skip
    """A table of HTML cells with a note below; the first column names the rows.

    Args:
        head: names of the columns.
        rows: cells.
        note: below it.
        bold: rows that stand out.
        narrow: it is only as wide as it needs.
        tight: its columns fit on a phone; narrow ones with up to three do. Others become a card a row there.
    """
    marked, marking = set(bold), ' class="mark"'
    left = [' class="words"' * (i > 0 and any(_is_words(row[i]) for row in rows)) for i in range(len(head))]
    top = "".join(f'<th{side} scope="col">{cell}</th>' for side, cell in zip(left, head, strict=True))
    labels = [escape(unescape(re.sub(r"<[^>]+>", " ", cell)).strip(), quote=True) for cell in head]
    body = "".join(
        f"<tr{marking if i in marked else ''}><th scope='row'>{row[0]}</th>"
        + "".join(
            f'<td data-label="{label}"{side}>{cell}</td>'
            for side, label, cell in zip(left[1:], labels[1:], row[1:], strict=True)
        )
        + "</tr>"
        for i, row in enumerate(rows)
    )
    below = f'<p class="note">{note}</p>' if note else ""
    classes = ["narrow"] * narrow + ["tight"] * (tight or (narrow and len(head) <= _TIGHT))
    opening = f'<table class="{" ".join(classes)}">' if classes else "<table>"
    return f'<div class="wide">{opening}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>{below}'


def _is_words(cell: str) -> bool:
    """Whether a cell has to be read; units of one letter and traced numbers do not count."""
    return bool(re.search(r"[A-Za-z]{2}", re.sub(r"<span data-cell.*?</span>|<[^>]+>", " ", cell)))
