"""Demand response: enrolled homes are paid for drawing less than their history baseline while a call runs."""

from __future__ import annotations

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import energy_cost_ucur
from gridbazaar.envs.state import Response


def respond(baseline_ukwh: Array, metered_ukwh: Array, price_ucur_per_kwh: int) -> Response:
    """Pay baseline less meter, never below 0; what a home feeds in counts as drawing nothing.

    Args:
        baseline_ukwh: [n_envs, n_agents] int64, -1 for who is not asked.
        metered_ukwh: [n_envs, n_agents] int64.
        price_ucur_per_kwh: for a kWh.
    """
    xp = namespace(metered_ukwh)
    reduced = xp.maximum(baseline_ukwh - xp.maximum(metered_ukwh, 0), 0)
    return Response(baseline_ukwh, reduced, energy_cost_ucur(reduced, price_ucur_per_kwh))
