"""The section on who saved what: kinds, then single agents."""

from __future__ import annotations

from html import escape

from gridbazaar.agents.policies import is_learned
from gridbazaar.experiments.evaluation.statistics import Interval, mean_interval
from gridbazaar.experiments.report import result_plots
from gridbazaar.experiments.report.page import listed, picture, section
from gridbazaar.experiments.report.subject import Subject, verdict
from gridbazaar.experiments.report.table import best_first, html_cell, html_table, number, part_words
from gridbazaar.experiments.report.table import html_number as num
from gridbazaar.experiments.report.table import html_span as ends


def who_saved(about: Subject) -> str:
    """Show what each kind and each agent saves against idle."""
    evaluation, hero = about.evaluation, about.hero
    rows = [row for row in best_first(evaluation) if row["policy"] != "idle"]
    saved = {
        about.name(row["policy"]): {k: Interval(**f["savings_cur"]) for k, f in row["kinds"].items()} for row in rows
    }
    parts = []
    if saved:
        mine = saved[about.name(hero)] if about.name(hero) in saved else next(iter(saved.values()))
        most, least = max(mine, key=lambda k: mine[k].mean), min(mine, key=lambda k: mine[k].mean)
        sentence = (
            f"Under {escape(about.name(hero))}, {escape(most)} saves most, {num(mine[most].mean, 2)} "
            f"{escape(about.currency)} per episode{ends(mine[most], 2)}; {escape(least)} least, "
            f"{num(mine[least].mean, 2)}{ends(mine[least], 2)}. "
            "Left of zero a kind is worse off than if all were idle."
        )
        alt = f"Savings by kind and policy; under {about.name(hero)}: " + listed(
            f"{k} {number(i.mean, 2)}" for k, i in mine.items()
        )
        parts.append(picture("by_kind", lambda: result_plots.savings_by_kind(saved, about.currency), alt, sentence))
    parts += [_agents(about), _kinds(about)]
    return section("Who saved what", *parts)


def _agents(about: Subject) -> str:
    evaluation = about.evaluation
    less = evaluation.result("idle").agent_cost_cur - evaluation.result(about.hero).agent_cost_cur
    scenario = evaluation.scenario
    kind_of = {a: k for k, s in scenario.kind_slices.items() for a in scenario.agent_names[s]}
    saved = {agent: mean_interval(less[:, i]) for i, agent in enumerate(scenario.agent_names)}
    n, up = len(saved), [i for i in saved.values() if i.mean > 0]
    down = [i for i in saved.values() if i.mean < 0]
    clear = (sum(verdict(i, len(less)) == "less" for i in up), sum(verdict(i, len(less)) == "more" for i in down))
    sentence = (
        f"Under {escape(about.name(about.hero))}, {len(up)} of {n} agents pay less than under idle ({clear[0]} with an "
        f"interval clear of zero) and {len(down)} pay more ({clear[1]} clear of zero)."
    )
    alt = f"Savings of each of {n} agents under {about.name(about.hero)}, from most to least, with 95 % intervals"
    return picture("by_agent", lambda: result_plots.savings_by_agent(saved, kind_of, about.currency), alt, sentence)


def _kinds(about: Subject) -> str:
    kinds = about.evaluation.parts
    rows = best_first(about.evaluation)
    head = [
        "policy",
        *(f"{escape(part_words(k))}<br><small>{w}</small>" for k in kinds for w in ("cost", "saved")),
    ]
    cells: list[list[str]] = []
    for row in rows:
        cells.append([escape(about.name(row["policy"]))])
        for found in (row["kinds"][kind] for kind in kinds):
            cells[-1] += [num(found["cost_cur"]["mean"], 2), html_cell(Interval(**found["savings_cur"]), 2)]
    bold = {i for i, row in enumerate(rows) if is_learned(row["policy"])}
    return html_table(
        head,
        cells,
        f"{escape(about.currency)} per episode of all agents of a kind, which add up to the cost; saved against idle.",
        bold,
    )
