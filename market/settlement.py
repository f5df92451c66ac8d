"""Settlement: what everybody owes for one interval, in integers, each line summing to zero over all parties."""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.data.arrays import Array

LINES = (
    "market",  # local trades
    "retail",  # the retailer's energy at the tariff
    "imbalance",  # deviation from the schedule
    "network",  # use of the network, per kWh
    "capacity",  # use of the network, per kW
    "losses",  # the operator's purchase of losses and of what it curtailed
    "congestion",  # scarcity of the connection and its rebate
    "flexibility",  # services called by the operator
    "penalty",  # non-delivery
    "share",  # contracts inside the community, such as a VPP's rent
    "tax",
    "fixed",  # standing charges
)
SYSTEM_PARTIES = (
    "retailer",
    "wholesale",
    "network_operator",
    "state",
    "market_operator",
    "flexibility_buyer",
    "community_fund",
    "escrow",
)


@dataclass(frozen=True, slots=True)
class Bill:
    """Money of one interval: > 0 is paid. Parties are the agents, then ``SYSTEM_PARTIES``."""

    ucur: Array  # [n_envs, n_lines, n_agents + n_system] int64, in the order of ``LINES``

    def line(self, name: str) -> Array:
        """[n_envs, n_parties] one line."""
        return self.ucur[:, LINES.index(name)]
