"""The wires: AC power flow of a radial feeder for a whole batch, and what is curtailed when a limit is passed."""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.data.arrays import Array


@dataclass(frozen=True, slots=True)
class Flow:
    """State of the feeder in one interval. Buses without the root; branch *j* feeds bus *j*."""

    voltage_pu: Array  # [n_envs, n_buses]
    branch_loading: Array  # [n_envs, n_buses] apparent flow over rating, >= 0; branch 0 is the transformer if there is one
    loss_kw: Array  # [n_envs] in all branches, iron losses of the transformer included
    root_kw: Array  # [n_envs] drawn from the grid above, losses included; < 0 exports
    converged: Array  # [n_envs] bool
    keep_injection: Array  # [n_envs, n_buses] in [0, 1], share of PV and discharge that the wires allow
    keep_draw: Array  # [n_envs, n_buses] in [0, 1], share of flexible draw that the wires allow
