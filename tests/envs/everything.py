"""A village in which every kind has everything that it can have."""

from __future__ import annotations

from typing import Any

_STORAGE: dict[str, Any] = {
    "reserve_frac": 0.1,
    "taper_frac": 0.9,
    "release_taper_frac": 0.05,
    "eta_ch": 0.98,
    "eta_dis": 0.98,
    "converter.k0": 0.0072,
    "converter.k2": 0.0345,
    "ageing.health": (0.8, 1.0),
    "ageing.wear": "depth",
    "ageing.fades": True,
    "ageing.calendar_per_year": 0.015,
    "failure.mtbf_h": 400.0,
    "failure.beta": 4.0,
    "failure.health": (0.2, 1.0),
    "failure.health_per_cycle": 0.02,
    "failure.maintain_cur": 1.0,
    "failure.repair_cur": 5.0,
}
EVERYTHING: dict[str, Any] = {
    **{f"{kind}.{name}": value for kind in ("prosumer", "battery", "vpp") for name, value in _STORAGE.items()},
    "prosumer.heating.share": (0.5, 1.0),
    "prosumer.water.share": (0.5, 1.0),
    "prosumer.appliance.share": (0.5, 1.0),
    "prosumer.inverter_kw_per_kwp": 0.85,
    "prosumer.curtailable": True,
    "ev.onboard_kw": (3.7, 7.4),
    "ev.keep_arrival": True,
    "ev.taper_frac": 0.8,
    "ev.late_sd_h": 0.5,
    "ev.announced_sd_h": 0.5,
    "ev.early_share": 0.2,
    "ev.short_cur_per_kwh2": 0.05,
    "ev.failure.mtbf_h": 400.0,
    "ev.failure.repair_cur": 5.0,
    "vpp.converter.k0": 0.0,  # one that loses by power can promise nothing for hours
    "vpp.converter.k2": 0.0,
    "vpp.release_taper_frac": 0.0,
    "vpp.answers_calls": True,
    "vpp.split": "weights",
    "call.chance": 1.0,
    "call.per_day": 2,
    "call.least_kw": 100.0,
    "call.outside_kw": 98.0,
    "call.response_share": 0.5,
    "inverter.response": "vde_ar_n_4105",
}
"""Overrides of ``village``, with calls."""

OUTAGES: dict[str, Any] = {
    **EVERYTHING,
    "vpp.answers_calls": False,
    "call.chance": 0.0,
    "call.response_share": 0.0,
    "outage.chance": 0.5,
    "outage.lines_per_year": 100.0,
}
"""The same with outages, where nothing can be measured from a schedule."""
