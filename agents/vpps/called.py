"""What the operator's calls ask of the VPPs, as the VPPs and their policies see it."""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.data.arrays import Array

QUIET, ANNOUNCED, OFFERING, HELD, RUNNING = range(5)
"""No call is known; one is; its offers close with this interval; awards are held ready for it; it runs."""


@dataclass(frozen=True, slots=True)
class Called:
    """The call that runs or comes next, before an interval; all zero where none is known."""

    status: Array  # [n_envs] int64, QUIET to RUNNING
    starts_h: Array  # [n_envs] until it begins
    lasts_h: Array  # [n_envs] from its beginning, or from now while it runs, until its end
    level: Array  # [n_envs] share of the awards that is called now
    award_kw: Array  # [n_envs, n_vpps] >= 0, held ready
    registered: Array  # [n_envs, n_vpps] share of its envelope that a VPP may offer
