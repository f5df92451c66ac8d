"""Columns of an observation: what each is called, its unit and bounds, and which of them a scenario chooses.

Columns that mean nothing to a kind hold zero there. Prices are divided by ``PRICE_SCALE``, powers of the community by
its connection or its homes, powers of an agent by ``POWER_SCALE``; nothing is normalised by running statistics.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from gridbazaar.agents.kind import AnyKind, Column
from gridbazaar.agents.kinds import own_columns
from gridbazaar.data.bounds import Positive, Within
from gridbazaar.data.tables import check_table

PRICE_SCALE = 0.2
"""Currency per kWh that counts as one."""
POWER_SCALE = 5.0
"""Kilowatts of an agent that count as one."""
PEAK_PRICE_SCALE = 10.0
"""Currency per kW that counts as one."""
BOUND = 5.0
PUBLISHED = ("storage_filled", "storage_size", "cars_need", "capacity_share", "deficit_ahead", "surplus_ahead")
"""Columns that tell of all storage and cars together; ``observe.public = false`` leaves them out."""
BLOCKS_H = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Hours ahead over which prices and net loads are averaged, in the usual columns."""


@dataclass(frozen=True, slots=True)
class ObserveConfig:
    """Table ``[observe]``: what agents see beside the usual columns, and which of these they do not see."""

    public: bool = True  # what the operator publishes of all storage and cars; false: agents know their own alone
    ahead_h: Annotated[float, Within(0.0, 24.0)] = 0.0  # of prices and expected net loads, as vectors; 0: none
    ahead_step_h: Positive = 1.0  # length of what one column of them is the mean of
    last: Annotated[int, Within(0, 96)] = 0  # intervals before this one whose prices and net loads are seen
    columns: tuple[str, ...] = ()  # names of those that are seen, in the usual order; none: all

    def __post_init__(self) -> None:
        check_table(self, "observe")
        if abs(self.ahead_h / self.ahead_step_h - self.n_ahead) > 1e-9:
            raise ValueError(
                f"observe.ahead_h: expected whole steps of {self.ahead_step_h} h (ahead_step_h), got {self.ahead_h}"
            )
        if twice := [name for i, name in enumerate(self.columns) if name in self.columns[:i]]:
            raise ValueError(f"observe.columns: expected each name once, got {twice[0]!r} twice")

    @property
    def n_ahead(self) -> int:
        """Columns of each forecast."""
        return round(self.ahead_h / self.ahead_step_h)

    @property
    def is_usual(self) -> bool:
        """Whether agents see what they see where nothing is said."""
        return self.public and not self.n_ahead and not self.last and not self.columns


def _price(name: str, doc: str) -> Column:
    return Column(name, f"{PRICE_SCALE} currency/kWh", -BOUND, BOUND, doc)


COMMON = (
    Column("hour_sin", "1", -1, 1, "sine of the hour that the local clock shows"),
    Column("hour_cos", "1", -1, 1, "cosine of the hour that the local clock shows"),
    Column("remaining", "1", 0, 1, "share of the episode that is left"),
    _price("retail_price", "retail price of the interval with all charges"),
    _price("export_price", "feed-in price of the interval"),
    _price("day_price", "mean retail price of the day ahead"),
    *(
        _price(f"price_next_{h:g}h", f"mean retail price of the next {h:g} h less that of the interval")
        for h in BLOCKS_H
    ),
    Column("price_rank", "1", 0, 1, "share of the intervals of the day ahead that are cheaper"),
    _price("highest_price", "highest retail price of the day ahead less that of the interval"),
    _price("lowest_price", "lowest retail price of the day ahead less that of the interval"),
    _price(
        "deficit_price", "mean retail price of the homes' expected deficits of the day ahead less that of the interval"
    ),
    Column("deficit_ahead", "storage", 0, BOUND, "expected deficits of the day ahead over stationary storage"),
    Column("surplus_ahead", "storage", 0, BOUND, "expected surpluses of the day ahead over stationary storage"),
    _price("last_price", "last local price less the upper edge of the band"),
    _price("band", "width of the band of local prices"),
    Column("last_traded", "1", 0, 1, "share of the last filled demand that neighbours served"),
    Column("community_now", "connection", -BOUND, BOUND, "expected must-serve net of all homes"),
    *(
        Column(f"community_next_{h:g}h", "connection", -BOUND, BOUND, f"mean expected net of the homes, next {h:g} h")
        for h in BLOCKS_H
    ),
    Column("community_last", "connection", -BOUND, BOUND, "last metered net of the community"),
    Column("connection", "2 kW/agent", 0, BOUND, "what the connection carries at the tariff"),
    Column("storage_filled", "1", 0, 1, "share of all stationary storage that is filled, as the operator publishes it"),
    Column("storage_size", "2 kWh/agent", 0, BOUND, "stationary storage of the community"),
    Column("cars_need", "2 kWh/agent", 0, BOUND, "energy that plugged cars still need, as the operator publishes it"),
    Column("island", "1", 0, 1, "the community is cut off from the grid above"),
)
OWN = (
    Column("active", "1", 0, 1, "the agent has something to decide now"),
    Column("soc", "1", 0, 1, "stored energy over capacity"),
    Column("capacity", "20 kWh", 0, BOUND, "usable capacity"),
    Column("capacity_share", "1", 0, 1, "own share of all stationary storage"),
    Column("can_draw", f"{POWER_SCALE} kW", 0, BOUND, "largest feasible draw"),
    Column("can_release", f"{POWER_SCALE} kW", 0, BOUND, "largest feasible release"),
    Column("firm", f"{POWER_SCALE} kW", -BOUND, BOUND, "must-serve draw expected, < 0 surplus"),
    Column("need", "20 kWh", 0, BOUND, "energy to be stored before departure"),
    Column("left", "24 h", 0, 1, "time until departure or the end"),
    Column("laxity", "8 h", 0, BOUND, "time to spare if charged at full power"),
    _price("window_price", "mean retail price until departure or the end, less that of the interval"),
    Column("window_rank", "1", 0, 1, "share of the intervals until departure or the end that are cheaper"),
    Column("to_spare", "4 h", -BOUND, BOUND, "cheaper intervals until departure less those needed at full power"),
)
_POWER = f"{POWER_SCALE} kW"


def block_columns(wanted: ObserveConfig, n_peaks: int = 0) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Give the columns that are beside the usual ones: those of the community, and those of each agent.

    Args:
        wanted: which blocks there are.
        n_peaks: charges on power that the tariff has.
    """
    steps = [(i * wanted.ahead_step_h, (i + 1) * wanted.ahead_step_h) for i in range(wanted.n_ahead)]
    back = range(1, wanted.last + 1)
    shared = [
        *(_price(f"retail_ahead_{i}", f"mean retail price, {a:g} to {b:g} h ahead") for i, (a, b) in enumerate(steps)),
        *(
            Column(f"net_ahead_{i}", "connection", -BOUND, BOUND, f"mean expected net of the homes, {a:g} to {b:g} h")
            for i, (a, b) in enumerate(steps)
        ),
        *(_price(f"price_last_{i}", f"local price, {i} intervals ago") for i in back),
        *(Column(f"net_last_{i}", "connection", -BOUND, BOUND, f"metered net, {i} intervals ago") for i in back),
    ]
    own = [
        *(
            Column(f"own_ahead_{i}", _POWER, -BOUND, BOUND, f"mean must-serve draw expected, {a:g} to {b:g} h ahead")
            for i, (a, b) in enumerate(steps)
        ),
        *(Column(f"own_last_{i}", _POWER, -BOUND, BOUND, f"own metered power, {i} intervals ago") for i in back),
    ]
    for i in range(n_peaks):
        per_kw = f"{PEAK_PRICE_SCALE:g} currency/kW"
        own.append(Column(f"peak_so_far_{i}", _POWER, 0, BOUND, "billed power of the month so far, floor included"))
        own.append(Column(f"peak_price_{i}", per_kw, 0, BOUND, "what one more kW of it costs, or the next step"))
    return tuple(shared), tuple(own)


def all_columns(
    wanted: ObserveConfig, named_kinds: Iterable[tuple[str, AnyKind, Any]], n_peaks: int = 0
) -> tuple[Column, ...]:
    """Give every column that there is: common, own, what only some kinds have, a flag a kind, the blocks.

    Args:
        wanted: which blocks there are.
        named_kinds: name, kind and config of each kind of a scenario.
        n_peaks: charges on power that its tariff has.
    """
    kinds = list(named_kinds)
    flags = (Column(f"is_{name}", "1", 0, 1, f"the agent is of kind {name}") for name in sorted(n for n, *_ in kinds))
    shared, own = block_columns(wanted, n_peaks)
    return (*COMMON, *OWN, *own_columns(kinds), *flags, *shared, *own)


def places_of(wanted: ObserveConfig, columns: tuple[Column, ...]) -> list[int]:
    """Say which of all columns are seen.

    Raises:
        ValueError: one is named that there is not, or none is left.
    """
    names = [column.name for column in columns]
    if unknown := [name for name in wanted.columns if name not in names]:
        raise ValueError(f"observe.columns: unknown {', '.join(unknown)}; expected some of {', '.join(names)}")
    hidden = () if wanted.public else PUBLISHED
    places = [i for i, name in enumerate(names) if name not in hidden and name in (wanted.columns or names)]
    if not places:
        raise ValueError(f"observe.columns: expected one that public = false leaves, got {', '.join(wanted.columns)}")
    return places
