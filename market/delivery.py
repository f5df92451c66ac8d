"""What becomes of an award when the meters have been read: who did not deliver pays back more than it got."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.units import MICRO
from gridbazaar.market.flexibility.offers import Award


@dataclass(frozen=True, slots=True)
class DeliveryBill:
    """Money of an award after delivery; > 0 is paid by the owner of the offer."""

    missing_ukwh: Array  # [n_envs, n_offers] int64 >= 0, accepted and not delivered
    clawback_ucur: Array  # [n_envs, n_offers] int64 >= 0, paid back
    pay_ucur: Array  # [n_envs, n_offers] int64, all that the owner pays: the award's payments and the clawback
    cost_ucur: Array  # [n_envs] int64, what the operator pays in the end: minus the sum of ``pay_ucur``


def settle_delivery(award: Award, delivered_ukwh: Array, *, penalty: float = 0.5) -> DeliveryBill:
    """Take back what was paid for energy that was accepted and did not come, and ``penalty`` of it on top.

    Args:
        award: what was accepted and paid.
        delivered_ukwh: [n_envs, n_offers] int64 signed, the change against the schedule that was fixed before the call.
        penalty: share of the payment, >= 0, kept to a millionth.

    Activation and availability of the missing share are owed (1 + penalty) times, rounded down. More than was accepted
    earns nothing, a change in the other direction counts as none, and energy taken by force is not judged.
    """
    if not (penalty >= 0 and math.isfinite(penalty)):
        raise ValueError(f"settle_delivery: expected a penalty >= 0, got {penalty!r}")
    xp = namespace(award.accepted_ukwh)
    accepted = xp.abs(award.accepted_ukwh)
    delivered = xp.where(award.accepted_ukwh < 0, -delivered_ukwh, delivered_ukwh)
    missing = accepted - xp.clip(delivered, 0, accepted)
    got = -(award.activation_ucur + award.availability_ucur)
    factor = MICRO + round(penalty * MICRO) + 0 * got
    clawback = muldiv(muldiv(got, missing, xp.maximum(accepted, 1)), factor, MICRO + 0 * got)
    pay = clawback - got + award.compensation_ucur
    return DeliveryBill(missing, clawback, pay, -xp.sum(pay, axis=1))
