"""Expect: what lies ahead of one environment as its agents know it now, in the terms of the program."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.netting import at_meters
from gridbazaar.agents.plan import View
from gridbazaar.agents.policy import Community, Forecasts, Foresight
from gridbazaar.data.arrays import Array

_LACK_CUR_PER_KWH = 10.0
"""Of what a car would lack when it leaves: dearer than any kWh, so that only what cannot be charged any more lacks."""


def expected(
    view: View, ahead: Forecasts, e: int, n_steps: int, is_planned: NDArray[np.bool_], community: Community,
    margin: float = 0.0,
) -> Foresight:  # fmt: skip
    """Give the next ``n_steps`` intervals of environment ``e`` as they are expected, a batch of one.

    Args:
        view: devices as they stand; what is not plugged in now is not expected.
        ahead: prices, caps and expected loads of the day ahead; at least ``n_steps`` of it inside the episode.
        e: row of both.
        n_steps: how far to look.
        is_planned: [n_agents] bool, whose storage is planned; others do not store.
        community: its tables say what chargers give back, how they taper and what they share.
        margin: distance from a peak over the load or surplus expected, for both err.

    Storage is as its owner sees it: full power until it is full or empty, at its best efficiencies. Wires are left out.
    """
    t = np.arange(n_steps)
    row = {name: np.asarray(getattr(view, name)[e], float) for name in _OF_VIEW}
    stationary = view.is_stationary[e] & is_planned
    left = np.where(stationary, n_steps, np.minimum(np.rint(row["left_h"] / community.step_h), n_steps))
    is_plugged = is_planned[:, None] & (t < left[:, None])
    # Above the floor; a car that came with less has a level below zero.
    level_kwh = row["capacity_kwh"] - row["room_kwh"]
    is_car, leaves = is_planned & ~stationary, t + 1 == left[:, None]
    charge_kw = np.repeat(row["power_kw"][:, None], n_steps, 1)
    charge_kw[:, 0] = row["high_kw"] + np.where(is_car, row["firm_kw"], 0.0)
    retail, local = ahead.retail_cur_per_kwh[e, :n_steps], ahead.local_charge_cur_per_kwh[e, :n_steps]
    tables = _of_tables(community, row)
    one = np.ones(n_steps)
    plan = {
        "firm_kw": ahead.net_kw[e, :, :n_steps],
        "upper_cur_per_kwh": retail - local,
        # Where a kWh sent earns more than one drawn costs, only whole numbers keep a meter from doing both.
        "export_cur_per_kwh": np.minimum(ahead.export_cur_per_kwh[e, :n_steps], retail),
        "local_charge_cur_per_kwh": local,
        "import_cap_kw": ahead.import_cap_kw[e] * one,
        "export_cap_kw": ahead.export_cap_kw[e] * one,
        "end_value_cur_per_kwh": ahead.end_value_cur_per_kwh[e],
        "is_plugged": is_plugged,
        "charge_kw": charge_kw,
        "floor_kwh": np.minimum(level_kwh, 0.0)[:, None] * one,
        "ceiling_kwh": np.maximum(row["capacity_kwh"], level_kwh)[:, None] * one,
        "is_kept": np.repeat((t > 0)[None, :], len(left), 0),
        "brings_kwh": level_kwh[:, None] * (t == 0),
        "required_kwh": np.where(is_car[:, None] & leaves, (level_kwh + row["need_kwh"])[:, None], 0.0),
        "unfilled": tables["unfilled"][:, None] * (is_plugged & (t > 0)),
        "discharge_kw": np.minimum(row["power_kw"], tables["discharge_kw"]),
        "eta_ch": row["eta_ch"],
        "eta_dis": row["eta_dis"],
        "loss_per_h": 0.0 * left,
        "wear_cur_per_kwh": row["wear_cur_per_kwh"],
        "is_stationary": stationary,
        "lack_cur_per_kwh": np.full(len(left), _LACK_CUR_PER_KWH),
        "public_cur_per_kwh": 0.0 * left,
        "site_kw": tables["site_kw"],
        "waste_kw": 0.0 * left,
        "withheld_ratio": 0.0 * is_plugged,
        "made_good_kw": 0.0 * one,
        "lost_kw": 0.0 * one,
    }  # fmt: skip
    if community.lead:
        plan["lead"] = np.array(community.lead)
    at_meter_kw = at_meters(ahead.net_kw[e : e + 1, :, :n_steps], community.lead)
    return Foresight(
        scarcity_cur_per_kwh=ahead.scarcity_cur_per_kwh,
        peaks=tuple(peak.row(e, n_steps).cautious(at_meter_kw, margin) for peak in ahead.peaks),
        excess=tuple(one.row(e, n_steps) for one in ahead.excess),
        is_delivered=True,
        **{name: np.asarray(x)[None] for name, x in plan.items()},
    )


_OF_VIEW = (
    "firm_kw", "high_kw", "room_kwh", "capacity_kwh", "power_kw", "eta_ch", "eta_dis", "wear_cur_per_kwh", "need_kwh",
    "left_h",
)  # fmt: skip


def _of_tables(community: Community, row: dict[str, Array]) -> dict[str, Array]:
    """What the chargers' table says of them, [n_agents] each."""
    n = len(community.agents)
    found: dict[str, Any] = {"unfilled": np.zeros(n), "discharge_kw": np.full(n, np.inf), "site_kw": np.full(n, np.inf)}
    if "ev" not in community.configs:
        return found
    cars, config = community.kind_slices["ev"], community.configs["ev"]
    found["discharge_kw"][cars] = config.discharge_kw
    if config.site_kw is not None:
        found["site_kw"][cars] = config.site_kw
    if config.taper_frac < 1:
        whole_kwh = np.maximum(row["capacity_kwh"][cars] / (1 - config.v2g_floor_frac), 1e-9)
        rise = row["power_kw"][cars] * row["eta_ch"][cars] * community.step_h / whole_kwh
        found["unfilled"][cars] = np.exp(-rise / (1 - config.taper_frac))
    return found
