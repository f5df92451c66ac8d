"""Six ways to pay for the same network, played as customers automate: what comes in, what prices it takes, who pays.

All ways bring the same revenue today, when every device is run by hand. Then customers automate: what comes in at
today's prices, by how much these have to rise until the network operator is whole again (devices answering each time),
what the transformer carries, and each customer's bill. Plays, and how revenue is made equal, are those of comparisons.
``network_words`` makes tables and sentences of it.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.experiments.comparison.automation import automated_at, community_at
from gridbazaar.experiments.comparison.network_lines import OPERATOR, billed_revenue, scaled
from gridbazaar.experiments.comparison.plays import Block, Books, play_together
from gridbazaar.experiments.evaluation.design_bills import DesignBills, bills_under
from gridbazaar.experiments.evaluation.fairness import is_met, next_scale
from gridbazaar.experiments.studies.place import place
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design

Floats = NDArray[np.float64]
Tick = Callable[[], None]

NETWORK_CUR_PER_KWH = 0.08
EVENING = {"from_h": 16, "to_h": 21}
YEAR, MONTHS = 2024, (3, 9, 12, 6)
HOURS_A_MONTH = 31 * 24
WEEKS_A_MONTH = 16
"""Of the study's weeks, for which one month stands."""
SETTLED, ROUNDS = 0.01, 4
"""Share of the revenue by which it may miss what is allowed, and how often prices are tried."""

ENERGY: dict[str, list[dict[str, Any]]] = {
    "flat": [{"flow": "import", "cur_per_kwh": 0.16}, {"flow": "export", "cur_per_kwh": 0.08}],
    "spot": [{"flow": "import", "cur_per_kwh": 0.02, "spot_factor": 1.2}, {"flow": "export", "cur_per_kwh": 0.06}],
}
"""What the retailer asks and pays, by name: as the tariffs ``flat`` and ``spot`` do."""


@dataclass(frozen=True, slots=True)
class Network:
    """A way to pay for the network: charges that are scaled, and the part of the revenue that stands."""

    charges: tuple[dict[str, Any], ...]
    standing: float = 0.0  # of the revenue of today


_BY_KWH: dict[str, Any] = {"line": "network", "flow": "import", "cur_per_kwh": NETWORK_CUR_PER_KWH}
_DEAR = [EVENING | {"cur_per_kwh": 3 * NETWORK_CUR_PER_KWH}]
_POWER: dict[str, Any] = {"line": "capacity", "cur_per_kw_month": 4.0}
NETWORKS = {
    "by the kWh": Network((_BY_KWH,)),
    "time of use": Network((_BY_KWH | {"windows": _DEAR},)),
    "month's peak": Network((_POWER | {"peak": {"n": 1, "interval_min": 60, "floor_kw": 2.5}},)),
    "evening's peak": Network((_POWER | {"peak": {"n": 1, "interval_min": 60, "windows": [EVENING]}},)),
    "half standing": Network((_BY_KWH,), standing=0.5),
    "standing": Network((), standing=1.0),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """How far automation has come."""

    name: str
    share: float  # of customers
    policy: str
    options: Mapping[str, Any] = field(default_factory=dict)


TODAY = Stage("today: nobody", 0.0, "idle")
STAGES = (
    Stage("all by a rule", 1.0, "peak_shaving"),
    Stage("half by MPC", 0.5, "mpc", {"every": 8}),
    Stage("all by MPC", 1.0, "mpc", {"every": 8}),
)
"""Under a price by the kWh alone ``peak_shaving`` is ``opportunity_cost``."""


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """What came of one way to pay at one stage, at prices that bring what is allowed."""

    recovered: float  # at today's prices, of what is allowed
    factor: float  # on today's prices
    is_settled: bool
    bills_cur: Floats  # [n_agents] a month
    network_cur: Floats  # [n_agents] of it what the network operator gets
    root_kw: Floats  # [n_months, 31 * 24] at the transformer, hour by hour; NaN after a month's end
    has_pv: NDArray[np.bool_]  # [n_agents]


@dataclass(frozen=True, slots=True)
class Grew:
    """All that came under one retail price."""

    today: Mapping[str, Grown]  # by way to pay
    later: Mapping[tuple[str, str], Grown]  # by way to pay, and stage
    agents: tuple[str, ...]
    half: NDArray[np.bool_]  # [n_agents] automated where half are


class World:
    """A street in some months under one retail price, and ways to pay that bring today's revenue.

    Args:
        energy: a name of ``ENERGY``.
        n_months: of ``MONTHS``.
        tick: called after every interval, for progress.
    """

    def __init__(self, energy: str, n_months: int, tick: Tick | None = None) -> None:
        self.energy, self._tick = energy, tick
        self._dates = [_dates(month) for month in MONTHS[:n_months]]
        self._street = place("network_tariffs")
        self.agents = self._street.agent_names
        first = self._design("by the kWh")
        self._by_hand = self._play({"by the kWh": first}, TODAY)["by the kWh"]
        self.allowed_cur = sum(billed_revenue(_bills(first, self._by_hand)))
        self.prices = {name: self._priced(name) for name in NETWORKS}

    def grew(self) -> Grew:
        """Let automation come, stage by stage."""
        later = {(name, stage.name): one for stage in STAGES for name, one in self.answered(stage).items()}
        half = automated_at(0.5, self._street.customers, self._street.seed)
        return Grew(self.today(), later, self.agents, np.array([name in half for name in self.agents]))

    def today(self) -> dict[str, Grown]:
        """Bill the dispatch of today under each way to pay."""
        return {name: self._grown([1.0], [self._by_hand], name) for name in NETWORKS}

    def answered(self, stage: Stage) -> dict[str, Grown]:
        """Play today's prices, then such that bring what is allowed, devices answering each time."""
        scales = {name: [1.0] for name in NETWORKS}
        books: dict[str, list[list[Books]]] = {name: [] for name in NETWORKS}
        for _ in range(ROUNDS):
            asked = {name: _times(self.prices[name], tried[-1]) for name, tried in scales.items()
                     if len(books[name]) < len(tried)}  # fmt: skip
            if not asked:
                break
            for name, played in self._play(asked, stage).items():
                books[name].append(played)
                revenue = billed_revenue(_bills(asked[name], played))
                wanted = next_scale(scales[name][-1], revenue, self.allowed_cur, SETTLED)
                if wanted is not None and len(scales[name]) < ROUNDS:
                    scales[name].append(wanted)
        return {name: self._grown(scales[name], books[name], name) for name in NETWORKS}

    def _grown(self, scales: list[float], books: list[list[Books]], name: str) -> Grown:
        """Draw up the bills of the last factor that was tried, beside what the first one brought."""
        at_first = billed_revenue(_bills(self.prices[name], books[0]))
        last = books[-1]
        bills = _bills(_times(self.prices[name], scales[-1]), last)
        n = len(bills)
        return Grown(
            sum(at_first) / self.allowed_cur, scales[-1], is_met(billed_revenue(bills), self.allowed_cur, SETTLED),
            np.sum([one.bill.total_cur for one in bills], axis=0) / n,
            np.sum([one.bill.received_cur(OPERATOR).sum(axis=1) for one in bills], axis=0) / n,
            _root_kw(last), np.any([book.day.pv_kwh[0] > 0 for book in last], axis=0),
        )  # fmt: skip

    def _priced(self, name: str) -> Design:
        """Give the prices that bring today's revenue; by hand nobody answers, so they are found at once."""
        made = self._design(name)
        revenue = billed_revenue(_bills(made, self._by_hand))
        factor = next_scale(1.0, revenue, self.allowed_cur)
        return made if factor is None else _times(made, factor)

    def _design(self, name: str) -> Design:
        network = NETWORKS[name]
        charges = [{"line": "retail", "to": "retailer"} | charge for charge in ENERGY[self.energy]]
        charges += [{"line": "tax", "to": "state", "flow": "import", "cur_per_kwh": 0.06}]
        charges += [{"line": "fixed", "to": "retailer", "cur_per_day": 0.30}]
        charges += [{"to": "network_operator"} | charge for charge in network.charges]
        if network.standing:
            days = sum(int(last[-2:]) for _, last in self._dates) * len(self.agents)
            due = network.standing * self.allowed_cur / days
            charges += [{"line": "fixed", "to": "network_operator", "cur_per_day": due}]
        return load_design(
            {"name": name, "title": name, "region": "EU", "year": YEAR, "currency": "EUR", "tz": "Etc/UTC",
             "source": "made for a study", "charges": charges}
        )  # fmt: skip

    def _play(self, designs: Mapping[str, Design], stage: Stage) -> dict[str, list[Books]]:
        """Play all months under each design."""
        community = community_at(stage.share, self._street.customers, self._street.seed)
        policy = load_policy(stage.policy, **stage.options)
        found: dict[str, list[Books]] = {name: [] for name in designs}
        for dates in self._dates:
            worlds = [
                place("network_tariffs", dates=dates, tariff=design, community=community) for design in designs.values()
            ]
            played = play_together([Block(world, policy) for world in worlds], [0], split="test", tick=self._tick)
            for name, batches in zip(designs, played, strict=True):
                found[name] += batches
        return found


def _times(design: Design, factor: float) -> Design:
    """The design with its network lines times a factor."""
    found = scaled(design, factor)
    assert isinstance(found, Design)
    return found


def _bills(design: Design, books: Iterable[Books]) -> list[DesignBills]:
    """Bills of a dispatch, one a month; each agent is a customer. They are what it paid in play, to the micro-unit."""
    return [
        one
        for book in books
        for one in bills_under(design, book.accounts, {name: (name,) for name in book.accounts.core.agents})
    ]


def _root_kw(books: Iterable[Books]) -> Floats:
    """[n_months, 31 * 24] power at the head of the feeder."""
    found = []
    for book in books:
        kw = book.day.wires["root_kw"][:, 0]
        found.append(np.pad(kw, (0, HOURS_A_MONTH - len(kw)), constant_values=np.nan))
    return np.stack(found)


def _dates(month: int) -> tuple[str, str]:
    return f"{YEAR}-{month:02d}-01", f"{YEAR}-{month:02d}-{monthrange(YEAR, month)[1]:02d}"
