"""The head of the report: how good the policy is, against what, and how sure that is."""

from __future__ import annotations

from html import escape

from gridbazaar.agents.policies import is_learned
from gridbazaar.experiments.evaluation.statistics import Interval
from gridbazaar.experiments.report.page import count_text, listed, plural, split_words
from gridbazaar.experiments.report.subject import FEW_SEEDS, Subject, verdict
from gridbazaar.experiments.report.table import html_number as num
from gridbazaar.experiments.report.table import html_span as ends
from gridbazaar.experiments.report.table import html_table, number


def headline(about: Subject, machine: str) -> str:
    """Say how the policy in the middle did, in sentences, figures and a table of paired differences."""
    evaluation, hero = about.evaluation, about.hero
    result, idle = evaluation.result(hero), evaluation.result("idle")
    n, split = len(evaluation.seeds), split_words(evaluation.split)
    verdicts = {p: verdict(about.paired(p), n) for p in about.others()}
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
        f"<b>{num(result.score.mean, 1)}</b>{ends(result.score, 1)}, where 0 is doing nothing (idle) and 100 "
        f"{'costing nothing' if evaluation.no_bound else 'the bound of who knows the whole day in advance'}."
    )
    if evaluation.replays is not None:
        learned.append(
            f"The optimum's own plan, played through the market, scores {num(evaluation.replays.score.mean, 1)}, and "
            f"{num(evaluation.replays.perfect_score.mean, 1)} where forecasts do not err: the first gap is what skill "
            f"can still win, the second what not knowing costs; {escape(about.name(hero))} goes "
            f"{num(result.of_replay.mean, 1)} % of the way to the first and {num(result.of_perfect.mean, 1)} % of that "
            "to the second."
        )
    if "opportunity_cost" in rules:
        compared.append(_against_engineered(about))
    for word, what in (("less", "costs less than"), ("more", "costs more than"), ("", "cannot be told apart from")):
        found = [p for p in rules if verdicts[p] == word and p != "opportunity_cost"]
        if found and n >= FEW_SEEDS:
            compared.append(f"It {what} {escape(listed(about.name(p) for p in found))}.")
    if n < FEW_SEEDS:
        few = f"{n} {plural(n, 'episode')} of each policy {'is' if n == 1 else 'are'} too few"
        caveats.append(f"{few} to tell any difference from chance.")
    runs = [p for p in about.names if is_learned(p)]
    if runs:
        several = [evaluation.result(p).score.mean for p in runs]
        caveats.append(
            "Intervals cover the choice of days, not that of the training seed: this is one training run."
            if len(runs) == 1
            else f"Scores of the {len(runs)} training runs lie from {num(min(several), 1)} to {num(max(several), 1)}."
        )
    tiles = [
        ("score", num(result.score.mean, 1), f"{ends(result.score, 1)}, of 100".strip(" ,")),
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


def _against_engineered(about: Subject) -> str:
    found, n = about.paired("opportunity_cost"), len(about.evaluation.seeds)
    clear = "the interval is clear of zero" if verdict(found, n) else "the interval holds zero"
    if n < FEW_SEEDS:
        clear = "too few episodes to tell"
    saves = found.mean >= 0
    shown = found if saves else Interval(-found.mean, -found.high, -found.low)
    return (
        f"Against opportunity_cost, an engineered rule that plans with forecasts, it {'saves' if saves else 'costs'} "
        f"<b>{num(shown.mean, 2)} {escape(about.currency)}{'' if saves else ' more'}</b> per episode"
        f"{ends(shown, 2)}; {clear}."
    )


def _pairs(about: Subject) -> str:
    n, rows = len(about.evaluation.seeds), []
    for policy in about.others():
        found = about.paired(policy)
        words = {"less": "yes: it costs less", "more": "yes: it costs more", "": "no"}[verdict(found, n)]
        rows.append([escape(about.name(policy)), num(found.mean, 2), ends(found, 2) or "-",
                     words if n >= FEW_SEEDS else "too few episodes"])  # fmt: skip
    head = ["compared with", f"{escape(about.currency)} less per episode", "95 % interval", "clear of zero?"]
    note = (
        f"How much less {escape(about.name(about.hero))} costs on the same episodes. Each interval stands alone, not "
        "corrected for the number of comparisons."
    )
    return html_table(head, rows, note, narrow=True)
