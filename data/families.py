"""Families: customers that are drawn once from a seed, for all episodes: who has which car and battery, and labels.

Shares are met to the nearest customer, not by luck: of ten families 0.4 are four.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bounds import Share, Within
from gridbazaar.data.chance import between, community_keys, uniform
from gridbazaar.data.community import INCOME, SWITCHES, Community, Customer
from gridbazaar.data.tables import check_table

_SHARES_OFF = 1e-9
Seed = Annotated[int, Within(0, 2**32 - 1)]


@dataclass(frozen=True, slots=True)
class Families:
    """Table ``[community]`` of a scenario: customers, and devices of theirs, that are drawn once."""

    seed: Seed  # of what is drawn; devices are, too
    table: str | None = None  # CSV of customers whose devices are drawn where it says nothing; none: families are drawn
    cars: Share = 1.0  # of the cars belong to a home, each home's first one before any second
    batteries: Share = 1.0  # of stand-alone batteries belong to a home
    members: Share = 1.0  # of the homes trade in the local market
    automated: Share = 1.0  # of the homes let the policy steer their devices
    labels: Mapping[str, Any] = field(default_factory=dict)  # of homes: a share that says yes, words by share, limits

    def __post_init__(self) -> None:
        check_table(self, "community")
        without_effect = ("cars", "batteries", "members", "automated", "labels")
        if self.table is not None and (told := [n for n in without_effect if getattr(self, n) not in (1.0, {})]):
            raise ValueError(f"community.table: it says who is a customer; leave out {', '.join(told)}, or the table")
        for name, said in self.labels.items():
            _check_label(name, said)


def families(drawn: Families, homes: Sequence[str], cars: Sequence[str], batteries: Sequence[str]) -> Community:
    """Draw the customers of a community.

    Args:
        drawn: how.
        homes, cars, batteries: agents that may be families; others stay customers by themselves.
    """
    keys = community_keys(drawn.seed)
    held = {home: [home] for home in homes}
    for name, share, agents in (("cars", drawn.cars, cars), ("batteries", drawn.batteries, batteries)):
        order = _order(keys, f"community.{name}.homes", len(homes))
        owned = np.flatnonzero(_first(keys, f"community.{name}", share, len(agents))).tolist()
        for k, i in enumerate(owned if homes else ()):
            held[homes[int(order[k % len(homes)])]].append(agents[i])
    n = len(homes)
    is_member = _first(keys, "community.members", drawn.members, n)
    is_automated = _first(keys, "community.automated", drawn.automated, n)
    labels = {name: _label(keys, name, said, n) for name, said in drawn.labels.items()}
    return Community(
        tuple(
            Customer(
                f"household_{i}", tuple(held[home]), member=bool(is_member[i]), automated=bool(is_automated[i]),
                labels=tuple((name, said[i]) for name, said in labels.items() if said[i]),
            )
            for i, home in enumerate(homes)
        ),
        drawn.seed,
    )  # fmt: skip


def _order(keys: NDArray[np.uint64], stream: str, n: int) -> NDArray[np.int64]:
    return np.argsort(uniform(keys, stream, n)[0], kind="stable")


def _place(keys: NDArray[np.uint64], stream: str, n: int) -> NDArray[np.float64]:
    """[n] the places of a line that is drawn, each in the middle of its n-th part of 0 to 1."""
    place = np.empty(n)
    place[_order(keys, stream, n)] = (np.arange(n) + 0.5) / max(n, 1)
    return place


def _first(keys: NDArray[np.uint64], stream: str, share: float, n: int) -> NDArray[np.bool_]:
    return _place(keys, stream, n) < share


def _label(keys: NDArray[np.uint64], name: str, said: Any, n: int) -> list[str]:
    """What the label of each of n homes says."""
    stream = f"community.label.{name}"
    if isinstance(said, list | tuple):
        unit = uniform(keys, stream, n)[0]
        return [f"{round(amount)}" for amount in between(unit, *map(float, said)).tolist()]
    place = _place(keys, stream, n)
    if not isinstance(said, Mapping):
        return ["yes" if at < said else "no" for at in place.tolist()]
    words, limits = list(said), np.cumsum([float(share) for share in said.values()])
    return [words[i] if i < len(words) else "" for i in np.searchsorted(limits, place, "right").tolist()]


def _check_label(name: str, said: Any) -> None:
    where = f"community.labels.{name}"
    if name in SWITCHES:
        raise ValueError(f"{where}: it is no label; set community.{'members' if name == 'member' else name}")
    if isinstance(said, list | tuple):
        if name != INCOME or len(said) != 2 or not all(map(_is_number, said)) or not 0 < said[0] <= said[1]:
            raise ValueError(f"{where}: limits are for {INCOME}: expected two amounts above 0 that rise, got {said!r}")
    elif isinstance(said, Mapping):
        shares = list(said.values())
        if not shares or not all(_is_share(share) for share in shares) or sum(shares) > 1 + _SHARES_OFF:
            raise ValueError(f"{where}: expected a share for each word, together at most 1; got {dict(said)!r}")
    elif not _is_share(said) or name == INCOME:
        raise ValueError(f"{where}: expected a share of the homes, or words with shares; got {said!r}")


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def _is_share(x: Any) -> bool:
    return _is_number(x) and 0 <= x <= 1
