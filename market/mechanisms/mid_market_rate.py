"""Mid-market rate: neighbours pay the middle between the retailer's two prices, whatever anybody bids.

C. Long, J. Wu, C. Zhang, L. Thomas, M. Cheng, N. Jenkins, "Peer-to-peer energy trading in a community microgrid", IEEE
PES General Meeting (2017). Limits play no part: members agree to the rule, and never do worse than with the retailer.
"""

from __future__ import annotations

from gridbazaar.market.auction.ex_post import clear_community, half_way, metered
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_post"
PROMISES = frozenset({"balanced", "no_deficit", "monotone", "scales"})


def mid_market_rate(orders: Orders, setting: Setting) -> Clearing:
    """Price metered energy that stays in the community at the middle of the retailer's band.

    The shorter side trades all of it locally, the longer one pro rata; the rest of the longer side goes to the retailer
    at the tariff. So with more demand than supply buyers pay a mix of the middle and the import price, with more supply
    sellers get a mix of the middle and the export price.
    """
    return clear_community(metered("mid_market_rate", orders, setting), setting, half_way(setting))
