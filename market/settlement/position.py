"""Where everybody stands after delivery: with neighbours, with the retailer, and on the connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.market.orders import Clearing, Setting


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the meters say, [n_envs, n_agents] int64, and what the wires took, [n_envs] int64."""

    metered_ukwh: Array
    curtailed_ukwh: Array  # injection withheld > 0, draw withheld < 0
    lost_ukwh: Array  # >= 0, sun and wind among it; what devices did not release is still theirs
    loss_ukwh: Array
    activated_ukwh: Array | None = None  # delivered to the operator's calls, > 0 drawn less; it leaves the position


class Position(NamedTuple):
    """Energy of each agent, [n_envs, n_agents] int64, > 0 is drawn."""

    local_ukwh: Array  # traded with neighbours
    scheduled_ukwh: Array  # with the retailer, as cleared
    net_ukwh: Array  # with the retailer, as delivered: metered - local trade - ordered curtailment

    def retail_ukwh(self, is_brp: Array) -> Array:
        """What the tariff prices: the net, or the schedule of who is balance-responsible (``is_brp`` [n_agents])."""
        return namespace(self.net_ukwh).where(is_brp[None, :], self.scheduled_ukwh, self.net_ukwh)

    def imbalance_ukwh(self, is_brp: Array) -> Array:
        """What the imbalance price prices: deviations of who is balance-responsible."""
        return self.net_ukwh - self.retail_ukwh(is_brp)


def position_of(clearing: Clearing, delivery: Delivery, *, prices_metered: bool) -> Position:
    """Split what was metered into local trade and the rest; columns of the clearing are firm orders, then flexible.

    A rule that prices metered energy (``prices_metered``) clears what the wires let through, so what they withheld is
    in nobody's position.
    """
    n_agents = delivery.metered_ukwh.shape[1]
    local, scheduled = (x[:, :n_agents] + x[:, n_agents:] for x in (clearing.traded_ukwh, clearing.outside_ukwh))
    net = delivery.metered_ukwh - local
    if not prices_metered:
        net = net - delivery.curtailed_ukwh
    if delivery.activated_ukwh is not None:
        net = net + delivery.activated_ukwh
    return Position(local, scheduled, net)


class Use(NamedTuple):
    """How the community used its connection."""

    rent_ucur_per_kwh: Array  # [n_envs] int64, of a kWh through it; > 0 where import is scarce, < 0 where export is
    over_cap_ukwh: Array  # [n_envs] int64 >= 0, beyond the cap of its direction
    over_cap_ucur: Array  # [n_envs] int64 >= 0, price of a kWh beyond it


def use_of_connection(net_ukwh: Array, clearing: Clearing, setting: Setting) -> Use:
    """Say what the connection is worth after delivery.

    Args:
        net_ukwh: [n_envs] int64, through the connection: what all members and the market's own stock net out.
        clearing: of the schedule, for the rent where the cap holds.
        setting: caps and scarcity prices; an island has none.

    Where the meters pass a cap, a kWh through the connection is worth the scarcity price, as it is where a schedule
    passes it. Else the rent is that of the clearing.
    """
    xp, rent = namespace(net_ukwh), clearing.rent_ucur_per_kwh
    over_cap, price = xp.zeros_like(net_ukwh), xp.zeros_like(net_ukwh)
    for cap, scarcity, sign in (
        (setting.import_cap_ukwh, setting.import_scarcity_ucur_per_kwh, 1),
        (setting.export_cap_ukwh, setting.export_scarcity_ucur_per_kwh, -1),
    ):
        if cap is None or scarcity is None:
            continue
        over = xp.maximum(sign * net_ukwh - cap, 0)
        over_cap, price = over_cap + over, xp.where(over > 0, scarcity, price)
        rent = xp.where(over > 0, sign * scarcity, rent)
    return Use(rent, over_cap, price)
