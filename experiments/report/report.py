"""The report: one HTML file that needs nothing else. Every number in it is computed from what is given.

Pictures are SVG inside the page, so that they follow the reader's light or dark mode and print sharply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.data.units import MICRO
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.docs.pages import scenario_toml
from gridbazaar.experiments.evaluation.evaluate import Evaluation
from gridbazaar.experiments.evaluation.play import Played
from gridbazaar.experiments.evaluation.statistics import Interval, mean_interval
from gridbazaar.experiments.files import check_folder, versions, write_text
from gridbazaar.experiments.report import drawing, plots
from gridbazaar.experiments.report.day import Day, day_of
from gridbazaar.experiments.report.page import (
    PAGE,
    clock_text,
    count_text,
    listed,
    picture,
    plural,
    section,
    seeds_text,
    split_words,
)
from gridbazaar.experiments.report.table import (
    best_first,
    columns,
    html_cell,
    html_table,
    is_learned,
    number,
    policy_names,
)
from gridbazaar.experiments.report.table import html_number as num
from gridbazaar.experiments.report.table import html_span as ends
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES

FEW_SEEDS = 5  # below so many episodes nothing is said to be clear of zero
_SHOWN_BELOW = 20.0  # points below idle, and below the learning curve, down to which others are drawn beside it
_METER_KWH = 2e-6  # by how much a meter may differ from what happened behind it: rounding to micro-kWh
_FLOW_KW = 1e-3  # by how much meters, losses and head may differ: the flow's fixed number of iterations


@dataclass(frozen=True, slots=True)
class Check:
    """A balance that must hold in every interval of the days that were kept."""

    name: str
    largest: float
    unit: str
    holds: bool


@dataclass(frozen=True, slots=True)
class _Subject:
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
    about = _subject(evaluation, days, curve or ())
    parts = [
        _headline(about, machine),
        _all_policies(about),
        _learning(about),
        _one_day(about) if about.days else "",
        _who_saved(about),
        _balances(about, days) if about.days else "",
        _again(evaluation, command, machine),
        _left_out(evaluation.scenario),
    ]
    scenario = evaluation.scenario
    return PAGE.substitute(
        title=escape(title),
        subtitle=escape(f"{scenario.name}: {scenario.title}" if scenario.title else scenario.name),
        light=drawing.theme(dark=False),
        dark=drawing.theme(dark=True),
        body="\n".join(parts),
    )


def _subject(evaluation: Evaluation, days: Mapping[str, Played], curve: Sequence[Mapping[str, float]]) -> _Subject:
    policies = [r.policy for r in evaluation.results]
    if unknown := [p for p in days if p not in policies]:
        raise ValueError(f"days: expected policies of the evaluation ({', '.join(policies)}), got {', '.join(unknown)}")
    ranked = [row["policy"] for row in best_first(evaluation) if row["policy"] not in ("optimum", "idle")]
    hero = next((p for p in policies if is_learned(p)), ranked[0] if ranked else policies[0])
    kept = {p: day_of(played) for p, played in days.items()}
    shown = hero if hero in kept else next((p for p in ranked if p in kept), next(iter(kept), hero))
    return _Subject(evaluation, policy_names(policies), hero, kept, shown, curve)


# --- the headline ---


def _headline(about: _Subject, machine: str) -> str:
    evaluation, hero = about.evaluation, about.hero
    result, idle = evaluation.result(hero), evaluation.result("idle")
    n, split = len(evaluation.seeds), split_words(evaluation.split)
    verdicts = {p: _verdict(_paired(about, p), n) for p in _others(about)}
    rules = [p for p in verdicts if p not in ("idle", "optimum") and not is_learned(p)]
    learned, compared, caveats = [], [], []
    if is_learned(hero) and about.curve:
        last = about.curve[-1]
        learned.append(
            f"One policy for all agents learned from {count_text(last['steps'])} agent-steps in "
            f"{number(last['seconds'] / 60, 1)} minutes{f' ({escape(machine)})' if machine else ''}."
        )
    learned.append(
        f"On {n} {split} {plural(n, 'episode')}, <b>{escape(about.name(hero))}</b> scores "
        f"<b>{num(result.score.mean, 1)}</b> {ends(result.score, 1)}, where 0 is doing nothing (idle) and 100 "
        f"{'costing nothing' if evaluation.no_bound else 'the optimum that knows the whole day in advance'}."
    )
    if "opportunity_cost" in rules:
        compared.append(_against_engineered(about))
    for word, what in (("less", "costs less than"), ("more", "costs more than"), ("", "cannot be told apart from")):
        if found := [p for p in rules if verdicts[p] == word and p != "opportunity_cost"]:
            compared.append(f"It {what} {escape(listed(about.name(p) for p in found))}.")
    if n < FEW_SEEDS:
        caveats.append(f"With fewer than {FEW_SEEDS} episodes no difference is called clear.")
    runs = [p for p in about.names if is_learned(p)]
    if runs:
        several = [evaluation.result(p).score.mean for p in runs]
        caveats.append(
            "Intervals cover the choice of days, not that of the training seed: this is one training run."
            if len(runs) == 1
            else f"Scores of the {len(runs)} training runs lie from {num(min(several), 1)} to {num(max(several), 1)}."
        )
    tiles = [
        ("score", num(result.score.mean, 1), f"{ends(result.score, 1)}, of 100"),
        ("saved per episode", f"{num(float(result.savings_cur.mean()), 2)} {escape(about.currency)}", "against idle"),
        *(
            (label, f"{num(k * float(result.figures[key].mean()), 1)} {unit}",
             f"idle {num(k * float(idle.figures[key].mean()), 1)} {unit}")
            for label, key, k, unit in (
                ("self-sufficiency", "self_sufficiency", 100, "%"), ("peak import", "peak_import_kw", 1, "kW"),
            )
        ),
    ]  # fmt: skip
    boxes = "".join(f'<div class="tile"><span>{a}</span><b>{b}</b><small>{c}</small></div>' for a, b, c in tiles)
    paragraphs = "".join(f'<p class="lead">{" ".join(p)}</p>' for p in (learned, compared) if p)
    note = f'<p class="note">{" ".join(caveats)}</p>' if caveats else ""
    return f'<section>{paragraphs}<div class="tiles">{boxes}</div>{note}{_pairs(about)}</section>'


def _against_engineered(about: _Subject) -> str:
    found, n = _paired(about, "opportunity_cost"), len(about.evaluation.seeds)
    verdict = "the interval is clear of zero" if _verdict(found, n) else "the interval holds zero"
    if n < FEW_SEEDS:
        verdict = "too few episodes to tell"
    saves = found.mean >= 0
    shown = found if saves else Interval(-found.mean, -found.high, -found.low)
    return (
        f"Against opportunity_cost, an engineered rule that plans with forecasts, it {'saves' if saves else 'costs'} "
        f"<b>{num(shown.mean, 2)} {escape(about.currency)}{'' if saves else ' more'}</b> per episode "
        f"{ends(shown, 2)}; {verdict}."
    )


def _pairs(about: _Subject) -> str:
    n, rows = len(about.evaluation.seeds), []
    for policy in _others(about):
        found = _paired(about, policy)
        words = {"less": "yes: it costs less", "more": "yes: it costs more", "": "no"}[_verdict(found, n)]
        rows.append([escape(about.name(policy)), num(found.mean, 2), ends(found, 2),
                     words if n >= FEW_SEEDS else "too few episodes"])  # fmt: skip
    head = ["compared with", f"{escape(about.currency)} less per episode", "95 % interval", "clear of zero?"]
    note = (
        f"How much less {escape(about.name(about.hero))} costs on the same episodes, without imbalance and standing "
        "charges, which no policy can change. Each interval stands alone, not corrected for the number of comparisons."
    )
    return html_table(head, rows, note, narrow=True)


def _others(about: _Subject) -> list[str]:
    return [row["policy"] for row in best_first(about.evaluation) if row["policy"] != about.hero]


def _paired(about: _Subject, other: str) -> Interval:
    return about.evaluation.paired(about.hero, other)


def _verdict(found: Interval, n: int) -> str:
    """less, more, or nothing where the interval holds zero or rests on too few episodes."""
    if n < FEW_SEEDS:
        return ""
    return "less" if found.low > 0 else "more" if found.high < 0 else ""


# --- policies, learning ---


def _all_policies(about: _Subject) -> str:
    evaluation = about.evaluation
    rows, shown = best_first(evaluation), columns(evaluation)
    bold = {i for i, row in enumerate(rows) if is_learned(row["policy"])}
    note = (
        f"Means of {len(evaluation.seeds)} episodes, below them 95 % intervals (bootstrap over episodes). Cost: bills, "
        "wear, discomfort and upkeep less the worth of what is left in storage. Savings leave out imbalance and "
        "standing charges. "
    ) + (
        f"There is no bound ({escape(evaluation.no_bound)}): scores are the share of idle's cost that is saved."
        if evaluation.no_bound
        else "The optimum's score is that of its plan played in the market; its bound is 100."
    )
    scored = {about.name(row["policy"]): Interval(**row["score"]) for row in rows}
    rules = [row for row in rows if not is_learned(row["policy"]) and row["policy"] not in ("optimum", "idle")]
    sentence = (
        ""
        if evaluation.no_bound
        else (
            f"The mean bound of the optimum is {num(float(evaluation.bound_cur.mean()), 2)} {escape(about.currency)}."
        )
    )
    if rules:
        best, worst = rules[0], rules[-1]
        sentence = f"Of the rules {_scored(about, best)} is best" + (
            f", {_scored(about, worst)} worst." if len(rules) > 1 else "."
        )
    finite = {name: i for name, i in scored.items() if np.isfinite(i.mean)}
    figure = plots.scores(finite, "costing nothing") if evaluation.no_bound else plots.scores(finite)
    alt = "Scores: " + "; ".join(f"{name} {number(i.mean, 1)}" for name, i in scored.items())
    half = len(shown) // 2
    tables = (
        html_table(
            ["policy", *(f"{c.title}<br><small>{escape(c.unit)}</small>" for c in part)],
            [
                [escape(about.name(row["policy"])), *(html_cell(c.interval(row), c.digits) for c in part)]
                for row in rows
            ],
            note if part[-1] is shown[-1] else "",
            bold,
        )
        for part in (shown[:half], shown[half:])
    )
    return section("All policies", picture("scores", figure, alt, sentence), *tables)


def _scored(about: _Subject, row: dict[str, Any]) -> str:
    return f"{escape(about.name(row['policy']))} ({num(row['score']['mean'], 1)})"


def _learning(about: _Subject) -> str:
    if not about.curve:
        return ""
    others = {p: about.evaluation.result(p).score.mean for p in about.names if not is_learned(p)}
    first, last = about.curve[0], about.curve[-1]
    best, worst = max(about.curve, key=lambda p: p["score"]), min(about.curve, key=lambda p: p["score"])
    least = min(0.0, worst["score"]) - _SHOWN_BELOW
    low = [p for p, score in others.items() if score < least]
    start = f"after {count_text(first['steps'])} steps" if first["steps"] else "before training"
    sentence = (
        f"The score on validation episodes goes from {num(first['score'], 1)} {start} to "
        f"{num(last['score'], 1)} after {count_text(last['steps'])}; the best point, {num(best['score'], 1)}, is at "
        f"{count_text(best['steps'])}. Dashed lines are the other policies on this report's episodes: compare roughly"
        + (f"; too low to be drawn: {escape(listed(about.name(p) for p in low))}." if low else ".")
    )
    drawn = {about.name(p): score for p, score in others.items() if score >= least}
    alt = "Learning curve: " + ", ".join(f"{number(p['score'], 0)} at {count_text(p['steps'])}" for p in about.curve)
    return section("Learning", picture("learning", plots.learning(about.curve, drawn), alt, sentence))


# --- one day ---


def _one_day(about: _Subject) -> str:
    day, name = about.days[about.shown], escape(about.name(about.shown))
    when = f"{day.date.astype('datetime64[D]').item():%A %d %B %Y}"
    intro = (
        f"<p>Episode {day.seed} of the {escape(about.evaluation.split)} split, {clock_text(day.hour[0])} on {when} to "
        f"{clock_text(day.edges[-1])}, under {name}. Homes use {num(day.step_h * day.load_kw.sum(), 1)} kWh "
        f"and their roofs give {num(day.step_h * day.pv_kw.sum(), 1)} kWh.</p>"
    )
    return section(
        "One day", intro, _net_power(about), _prices(about, day), _storage(about, day), _voltages(day), _feeder(day)
    )


def _net_power(about: _Subject) -> str:
    chosen = [p for p in ("idle", "optimum", about.shown) if p in about.days]
    days = {about.name(p): about.days[p] for p in chosen}
    peaks = listed(f"{number(max(float(d.root_kw.max()), 0.0), 1)} kW under {n}" for n, d in days.items())
    cap = about.days[about.shown].import_cap_kw
    capped = f"; the connection carries {number(cap, 1)} kW at the tariff" if cap < 1e5 else "; no cap is set"
    sentence = escape(f"The largest import of the day is {peaks}{capped}.")
    alt = f"Power at the head of the feeder over the day under {listed(days)}"
    return picture("net_power", plots.net_power(days), alt, sentence)


def _prices(about: _Subject, day: Day) -> str:
    traded = day.traded_kwh > 0
    kwh, code = day.traded_kwh.sum(), escape(about.currency)
    sentence = f"Neighbours trade {num(kwh, 1)} kWh in {int(traded.sum())} of {len(traded)} intervals"
    if traded.any():
        mean = float((day.traded_kwh * day.local_cur_per_kwh).sum() / kwh)
        low, high = float(day.local_cur_per_kwh[traded].min()), float(day.local_cur_per_kwh[traded].max())
        sentence += (
            f", at {num(mean, 3)} {code}/kWh on average and from {num(low, 3)} to {num(high, 3)}; the retailer asks "
            f"{num(float(day.retail_cur_per_kwh.mean()), 3)} and pays {num(float(day.feed_in_cur_per_kwh.mean()), 3)}"
        )
    over = int((day.root_kw > day.import_cap_kw).sum() + (-day.root_kw > day.export_cap_kw).sum())
    sentence += f". The head of the feeder passes a cap in {over} {plural(over, 'interval')}."
    alt = "Retail, feed-in and local price, energy traded between neighbours, and import and export, over the day"
    return picture("prices", plots.prices(day, about.currency), alt, sentence)


def _storage(about: _Subject, day: Day) -> str:
    sentences = []
    for kind, agents in day.kind_slices.items():
        stored, capacity = day.stored_kwh[:, agents].sum(1), float(day.capacity_kwh[agents].sum())
        if kind != "ev" and capacity > 0:
            full, empty = int(stored.argmax()), int(stored.argmin())
            sentences.append(
                f"{escape(kind)} is fullest at {clock_text(day.hour[full])} "
                f"({num(100 * stored[full] / capacity, 0)} %) and emptiest at "
                f"{clock_text(day.hour[empty])} ({num(100 * stored[empty] / capacity, 0)} %)"
            )
    text = "; ".join(sentences) + "." if sentences else ""
    if "ev" in day.kind_slices:
        came = int(day.is_plugged[:, day.kind_slices["ev"]].any(axis=0).sum())
        lacked = float(about.evaluation.result(about.shown).figures["unserved_kwh"].sum())
        text += (
            f" {came} of {day.is_plugged[:, day.kind_slices['ev']].shape[1]} cars come; over all episodes cars lack "
            f"{num(lacked, 2)} kWh at departure."
        )
    alt = "Energy stored over the day by kind, and when cars are plugged in and how full they are"
    return picture("storage", plots.storage(day), alt, text[:1].upper() + text[1:])


def _voltages(day: Day) -> str:
    low, high = float(day.voltage_pu.min()), float(day.voltage_pu.max())
    limits = (day.feeder.v_min_pu, day.feeder.v_max_pu)
    inside = "inside" if limits[0] <= low and high <= limits[1] else "not always inside"
    sentence = (
        f"Voltages lie between {num(low, 3)} and {num(high, 3)} pu, {inside} the band from {num(limits[0], 2)} to "
        f"{num(limits[1], 2)} pu."
    )
    alt = f"Voltage band of {day.feeder.n_buses} buses over the day; lowest {low:.3f}, highest {high:.3f} per unit"
    return picture("voltages", plots.voltages(day), alt, sentence)


def _feeder(day: Day) -> str:
    step, feeder = day.worst_step, day.feeder
    volts, loading = day.voltage_pu[step], day.branch_loading[step]
    worst = int(np.minimum(volts - feeder.v_min_pu, feeder.v_max_pu - volts).argmin())
    fullest = int(loading.argmax())
    sentence = (
        f"At {clock_text(day.hour[step])} a voltage comes nearest to a limit: bus {escape(feeder.buses[worst])} has "
        f"{num(float(volts[worst]), 3)} pu. The fullest branch then is the one to {escape(feeder.buses[fullest])}, at "
        f"{num(100 * float(loading[fullest]), 0)} % of its rating; over the day the largest loading is "
        f"{num(100 * float(day.branch_loading.max()), 0)} %."
    )
    alt = f"Feeder {feeder.name} as a tree of {feeder.n_buses} buses, coloured by voltage, branches by loading"
    return picture("feeder", plots.feeder_tree(day), alt, sentence)


# --- who saved what ---


def _who_saved(about: _Subject) -> str:
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
            f"{escape(about.currency)} per episode {ends(mine[most], 2)}; {escape(least)} least, "
            f"{num(mine[least].mean, 2)} {ends(mine[least], 2)}. "
            "Left of zero a kind is worse off than if all were idle."
        )
        alt = f"Savings by kind and policy; under {about.name(hero)}: " + listed(
            f"{k} {number(i.mean, 2)}" for k, i in mine.items()
        )
        parts.append(picture("by_kind", plots.savings_by_kind(saved, about.currency), alt, sentence))
    parts += [_agents(about), _kinds(about)]
    return section("Who saved what", *parts)


def _agents(about: _Subject) -> str:
    evaluation = about.evaluation
    less = evaluation.result("idle").agent_cost_cur - evaluation.result(about.hero).agent_cost_cur
    scenario = evaluation.scenario
    kind_of = {a: k for k, s in scenario.kind_slices.items() for a in scenario.agent_names[s]}
    saved = {agent: mean_interval(less[:, i]) for i, agent in enumerate(scenario.agent_names)}
    n, up = len(saved), [i for i in saved.values() if i.mean > 0]
    down = [i for i in saved.values() if i.mean < 0]
    clear = (sum(_verdict(i, len(less)) == "less" for i in up), sum(_verdict(i, len(less)) == "more" for i in down))
    sentence = (
        f"Under {escape(about.name(about.hero))}, {len(up)} of {n} agents pay less than under idle ({clear[0]} with an "
        f"interval clear of zero) and {len(down)} pay more ({clear[1]} clear of zero)."
    )
    alt = f"Savings of each of {n} agents under {about.name(about.hero)}, from most to least, with 95 % intervals"
    return picture("by_agent", plots.savings_by_agent(saved, kind_of, about.currency), alt, sentence)


def _kinds(about: _Subject) -> str:
    kinds = list(about.evaluation.scenario.kind_slices)
    rows = best_first(about.evaluation)
    head = ["policy", *(f"{escape(k)}<br><small>{w}</small>" for k in kinds for w in ("cost", "saved"))]
    cells: list[list[str]] = []
    for row in rows:
        cells.append([escape(about.name(row["policy"]))])
        for found in (row["kinds"][kind] for kind in kinds):
            cells[-1] += [num(found["cost_cur"]["mean"], 2), html_cell(Interval(**found["savings_cur"]), 2)]
    bold = {i for i, row in enumerate(rows) if is_learned(row["policy"])}
    return html_table(
        head, cells, f"{escape(about.currency)} per episode of all agents of a kind; saved against idle.", bold
    )


# --- balances ---


def balances(days: Mapping[str, Played]) -> list[Check]:
    """Check energy and money in every interval that was kept."""
    kept = [(played, tr) for played in days.values() for tr in played.transitions]

    def largest(values: Iterable[Any]) -> float:
        return max((float(np.abs(v).max()) for v in values), default=0.0)

    bills = largest(tr.money.bill.ucur.sum(2) for _, tr in kept)
    trades = largest(tr.market.clearing.traded_ukwh.sum(1) for _, tr in kept)
    payments = largest(tr.market.clearing.pay_ucur.sum(1) - tr.market.clearing.surplus_ucur for _, tr in kept)
    devices = largest(error for played in days.values() for error in _unaccounted_kwh(played))
    head = largest(
        tr.delivery.metered_ukwh.sum(1) / MICRO / p.tally.core.scenario.step_h + tr.wires.loss_kw - tr.wires.root_kw
        for p, tr in kept
    )
    flows = sum(int((~np.asarray(tr.wires.converged)).sum()) for _, tr in kept)
    return [
        Check("each line of each bill sums to zero over all parties", bills, "micro-currency", bills == 0),
        Check("what neighbours buy is what neighbours sell", trades, "micro-kWh", trades == 0),
        Check("payments for local trades add up to the declared surplus", payments, "micro-currency", payments == 0),
        Check("what a home or a battery draws is used, stored or lost", devices, "kWh", devices <= _METER_KWH),
        Check("meters and losses make the power at the head", head, "kW", head <= _FLOW_KW),
        Check("power flows that did not converge", flows, "intervals", flows == 0),
    ]


def _unaccounted_kwh(played: Played) -> Iterator[Any]:
    """Metered less used, stored and lost, of all agents but cars, for each interval that another one follows."""
    stays = ~np.asarray(played.tally.core.world.firm_is_chosen)
    for happened, (before, after) in zip(played.transitions, pairwise(played.states), strict=False):
        used = happened.devices.load_kwh - happened.devices.pv_kwh + happened.devices.loss_kwh
        stored = after.view.stored_kwh - before.view.stored_kwh
        yield (happened.delivery.metered_ukwh / MICRO - used - stored)[:, stays]


def _balances(about: _Subject, days: Mapping[str, Played]) -> str:
    checks = balances(days)
    n = sum(len(played.transitions) for played in days.values())
    bad = [c for c in checks if not c.holds]
    sentence = (
        f"<p>Checked in {n} intervals under {escape(listed(about.name(p) for p in days))}: "
        + ("<b>all balances hold</b>." if not bad else f"<b>{len(bad)} of {len(checks)} balances do not hold</b>.")
        + " Money and market energy are integers, so their sums are exact.</p>"
    )
    rows = [
        [escape(c.name), f"{c.largest:.3g} {c.unit}", "holds" if c.holds else '<b class="bad">does not hold</b>']
        for c in checks
    ]
    table = html_table(["balance", "largest deviation", "result"], rows, "", narrow=True)
    return section("Do energy and money add up?", sentence, table, _money(about, days[about.shown]))


def _money(about: _Subject, played: Played) -> str:
    """Who paid and who received over the shown day; the column sums to zero."""
    paid = np.sum([tr.money.bill.ucur[0].sum(0) for tr in played.transitions], axis=0)
    n_agents, code = played.tally.core.n_agents, escape(about.currency)
    kinds = about.evaluation.scenario.kind_slices
    sums = {f"agents: {k}": int(paid[:n_agents][s].sum()) for k, s in kinds.items()}
    sums |= {p.replace("_", " "): int(paid[n_agents + i]) for i, p in enumerate(SYSTEM_PARTIES)}
    rows = [[escape(name), num(amount / MICRO, 2)] for name, amount in sums.items() if amount]
    rows.append(["<b>sum</b>", f"<b>{num(sum(sums.values()) / MICRO, 2)}</b>"])
    note = f"Bills of the day above, under {escape(about.name(about.shown))}; above zero is paid, below received."
    return html_table(["party", code], rows, note, narrow=True)


# --- how to reproduce, what is left out ---


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


def _left_out(scenario: Scenario) -> str:
    grid = (
        "Wires are only watched: what passes a limit is reported, not curtailed."
        if scenario.constraint == "none"
        else "Where wires pass a limit, injection and flexible draw behind it are curtailed in proportion."
    )
    source = (
        "Load, sun, cars and prices are generated; they resemble measured ones but are no real village."
        if scenario.data.path is None
        else f"Load, sun and prices are read from {Path(scenario.data.path).name}; episodes differ by day and by draw."
    )
    points = [
        source,
        f"An episode is {number(scenario.hours, 0)} hours. What is left in storage is valued at a cheap price of the "
        "day; seasons enter only through the days drawn.",
        f"The feeder is balanced over its three phases, and inverters do not regulate voltage. {grid}",
        "Agents act on their devices and on limit prices. They neither collude nor withhold must-serve load, and "
        "messages always arrive.",
        f"{_absent(scenario)}No charges on the peak of a month.",
        "The optimum knows the future and ignores the wires and the least power of chargers. So part of the gap to it "
        "cannot be closed.",
    ]
    return section("What is not modelled", "<ul>" + "".join(f"<li>{escape(p)}</li>" for p in points) + "</ul>")


def _absent(scenario: Scenario) -> str:
    """What could be turned on and is not, as a sentence."""
    homes, configs = scenario.agents.get("prosumer"), scenario.agents.values()
    warm = homes is not None and max(homes.heating.share[1], homes.water.share[1]) > 0
    found = {
        "heating by electricity": warm,
        "appliances that wait": homes is not None and homes.appliance.share[1] > 0,
        "failures of devices": any(getattr(getattr(c, "failure", None), "happens", False) for c in configs),
        "outages": scenario.outage.happens,
    }
    missing = [name for name, is_there in found.items() if not is_there]
    return f"Without {listed(missing)}. " if missing else ""
