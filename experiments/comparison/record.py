"""What ``compare`` has always written, of a comparison with several rules: costs by kind, accounts, bills, JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gridbazaar.experiments.comparison.study import Study
from gridbazaar.experiments.comparison.write import Tables, notes_of, with_rates
from gridbazaar.experiments.evaluation.compare import Comparison, Drawn, bills_frame

if TYPE_CHECKING:
    import pandas as pd


_TARIFF = {"bills": "design"}  # column of the tariff whose amounts these are
Rule = tuple[str, float]
"""A market rule and a share of automated customers."""


class Record(NamedTuple):
    """Files by their names without an ending."""

    json: dict[str, Any]
    frames: Mapping[str, pd.DataFrame]
    comparisons: Mapping[Rule, Comparison]
    drawn: Mapping[Rule, Sequence[Drawn]]  # bills of the dispatch; none without designs


def comparisons(found: Study) -> dict[Rule, Comparison]:
    """The tariffs as written, by rule that was asked for and share."""
    asked = found.asked
    shares = asked.automated or (asked.own_share,)
    return {
        (rule, share): Comparison(
            {tariff: found.evaluations[tariff, rule, share] for tariff in asked.tariffs}, asked.designs, asked.is_part,
        )
        for rule in asked.mechanisms
        for share in shares
    }  # fmt: skip


def of_study(found: Study, tables: Tables) -> Record:
    """Give the JSON and the tables by kind of agent."""
    import pandas as pd

    by_rule = comparisons(found)

    def named(rule: Rule) -> dict[str, Any]:
        return {"mechanism": rule[0]} | ({"automated_share": rule[1]} if found.asked.automated else {})

    json = next(iter(by_rule.values())).to_json()
    json["rows"] = [{**named(rule), **row} for rule, one in by_rule.items() for row in one.to_json()["rows"]]
    json |= {
        "mechanisms": list(found.asked.mechanisms), "today": found.asked.today, "notes": notes_of(found),
        "allowed_cur": found.allowed_cur / len(found.asked.seeds), "cells": tables.cells.to_dict("records"),
        "groups": tables.groups.to_dict("records"), "frozen": tables.frozen.to_dict("records"),
    }  # fmt: skip

    def joined(frames: Mapping[Rule, pd.DataFrame]) -> pd.DataFrame:
        whole = pd.concat([frame.assign(**named(rule)) for rule, frame in frames.items()], ignore_index=True)
        first, names = whole.columns[0], list(named(next(iter(frames))))
        return whole[[first, *names, *(name for name in whole.columns[1:] if name not in names)]]

    frames = {
        "compare": joined({rule: one.to_frame() for rule, one in by_rule.items()}),
        "accounts": joined({rule: one.accounts() for rule, one in by_rule.items()}),
    }
    drawn = {rule: one.drawn() for rule, one in by_rule.items()} if found.asked.designs else {}
    if drawn:
        frames["bills"] = joined({rule: bills_frame(bills) for rule, bills in drawn.items()})
    if found.asked.rates:
        frames = {name: with_rates(frame, found.asked, _TARIFF.get(name, "tariff")) for name, frame in frames.items()}
    return Record(json, frames, by_rule, drawn)
