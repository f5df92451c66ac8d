"""The report: one HTML file that needs nothing else. Every number in it is computed from what is given.

Pictures are SVG inside the page, so that they follow the reader's light or dark mode and print sharply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from gridbazaar.experiments.describe import scenario_toml
from gridbazaar.experiments.evaluation.play import Played
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.files import check_folder, versions, write_text
from gridbazaar.experiments.report import drawing
from gridbazaar.experiments.report.balances import balances_section
from gridbazaar.experiments.report.day_section import one_day
from gridbazaar.experiments.report.headline import headline
from gridbazaar.experiments.report.lesson import lesson
from gridbazaar.experiments.report.limits import not_modelled
from gridbazaar.experiments.report.page import PAGE, section, seeds_text
from gridbazaar.experiments.report.policies import all_policies, learning
from gridbazaar.experiments.report.savings import who_saved
from gridbazaar.experiments.report.subject import subject_of
from gridbazaar.experiments.report.table import html_table


def write_report(
    folder: str | Path,
    evaluation: Evaluation,
    days: Mapping[str, Played],
    curve: Sequence[Mapping[str, float]] | None = None,
    *,
    title: str,
    command: str,
    machine: str = "",
    force: bool = False,
) -> Path:
    """Write ``report.html`` into a folder.

    Args:
        folder: where to; one that holds something is refused unless ``force`` is given.
        evaluation: policies on the same episodes.
        days: by policy of the evaluation, the same episode of one environment, played with ``keep=True``.
        curve: points with steps, seconds and score, of the training run.
        title: heading of the page.
        command: what makes this report again.
        machine: where it was trained and evaluated, in a few words.
        force: write into a folder that holds something, and replace its report; other files are left alone.

    Returns:
        The file.
    """
    path = Path(folder) / "report.html"
    if path.parent.exists() and not force:
        check_folder(path.parent)
    text = render(evaluation, days, curve, title=title, command=command, machine=machine)
    write_text(path, text)
    return path


def render(
    evaluation: Evaluation,
    days: Mapping[str, Played],
    curve: Sequence[Mapping[str, float]] | None = None,
    *,
    title: str,
    command: str,
    machine: str = "",
) -> str:
    """Give the text of the report; arguments as in ``write_report``."""
    about = subject_of(evaluation, days, curve or ())
    parts = [
        headline(about, machine),
        all_policies(about),
        learning(about),
        one_day(about) if about.days else "",
        lesson(about),
        who_saved(about),
        balances_section(about, days) if about.days else "",
        _again(evaluation, command, machine),
        not_modelled(evaluation.scenario, evaluation.no_bound),
    ]
    scenario = evaluation.scenario
    return PAGE.substitute(
        title=escape(title),
        subtitle=escape(f"{scenario.name}: {scenario.title}" if scenario.title else scenario.name),
        light=drawing.theme(dark=False),
        dark=drawing.theme(dark=True),
        body="\n".join(parts),
    )


def _again(evaluation: Evaluation, command: str, machine: str) -> str:
    rows = [[escape(k), escape(v)] for k, v in versions().items()]
    if machine:
        rows.append(["trained and evaluated on", escape(machine)])
    return section(
        "How to reproduce",
        f"<pre>{escape(command)}</pre>",
        f"<p>Episodes: {seeds_text(evaluation.seeds)} of the {escape(evaluation.split)} split; master seed "
        f"{evaluation.scenario.seed}. The same versions on the same kind of machine give the same numbers; a trained "
        "policy may differ in the last digits elsewhere.</p>",
        html_table(["software", "version"], rows, "", narrow=True),
        f'<h3>Scenario</h3><pre class="listing">{escape(scenario_toml(evaluation.scenario))}</pre>',
    )
