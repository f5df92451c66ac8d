"""What ``compare`` has always written, of a comparison with several rules: costs by kind, accounts, bills, JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gridbazaar.experiments.comparison.study import Study
from gridbazaar.experiments.comparison.write import Tables, notes_of
from gridbazaar.experiments.evaluation.compare import Comparison, Drawn, bills_frame

if TYPE_CHECKING:
    import pandas as pd


class Record(NamedTuple):
    """Files by their names without an ending."""

    json: dict[str, Any]
    frames: Mapping[str, pd.DataFrame]
    comparisons: Mapping[str, Comparison]  # by rule
    drawn: Mapping[str, Sequence[Drawn]]  # bills of the dispatch, by rule; none without designs


def comparisons(found: Study) -> dict[str, Comparison]:
    """The tariffs as written, by rule that was asked for."""
    asked = found.asked
    return {
        mechanism: Comparison(
            {tariff: found.evaluations[tariff, mechanism] for tariff in asked.tariffs}, asked.designs, asked.is_part,
        )
        for mechanism in asked.mechanisms
    }  # fmt: skip


def of_study(found: Study, tables: Tables) -> Record:
    """Give the JSON and the tables by kind of agent."""
    import pandas as pd

    by_rule = comparisons(found)
    json = next(iter(by_rule.values())).to_json()
    json["rows"] = [{"mechanism": rule, **row} for rule, one in by_rule.items() for row in one.to_json()["rows"]]
    json |= {
        "mechanisms": list(by_rule), "today": found.asked.today, "notes": notes_of(found),
        "allowed_cur": found.allowed_cur / len(found.asked.seeds), "cells": tables.cells.to_dict("records"),
        "groups": tables.groups.to_dict("records"), "frozen": tables.frozen.to_dict("records"),
    }  # fmt: skip

    def joined(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        whole = pd.concat([frame.assign(mechanism=rule) for rule, frame in frames.items()], ignore_index=True)
        return whole[[whole.columns[0], "mechanism", *whole.columns[1:-1]]]

    frames = {
        "compare": joined({rule: one.to_frame() for rule, one in by_rule.items()}),
        "accounts": joined({rule: one.accounts() for rule, one in by_rule.items()}),
    }
    drawn = {rule: one.drawn() for rule, one in by_rule.items()} if found.asked.designs else {}
    if drawn:
        frames["bills"] = joined({rule: bills_frame(bills) for rule, bills in drawn.items()})
    return Record(json, frames, by_rule, drawn)
