"""Standing charges: what a connection pays for time alone, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.market.settlement.peaks import Entry
from gridbazaar.market.settlement.settle import Posting

RETAILERS = Entry("fixed", "retailer")
"""What is left of a standing charge."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What of the standing charge of a connection is not the retailer's."""

    entries: tuple[Entry, ...]
    ucur: Array  # [n_steps + 1, n_entries] int64, since the first midnight


def standing_postings(standing: Standing | None, step: Array, connections: Array) -> tuple[Posting, ...]:
    """Give what is due in a step.

    Args:
        standing: of the tariff; none: all is the retailer's.
        step: [n_envs].
        connections: [n_agents], how many of them each agent has.
    """
    if standing is None:
        return ()
    due = standing.ucur[step + 1] - standing.ucur[step]
    places = enumerate(standing.entries)
    return tuple(Posting(entry.line, entry.to, due[:, i, None] * connections[None, :]) for i, entry in places)


def one_after_the_other(all_of: Sequence[Standing | None], like: Sequence[Array]) -> Standing | None:
    """Put charges of several tariffs into one table, the steps of the first one first.

    Args:
        all_of: the tariffs' charges.
        like: [n_steps + 1] of each tariff.
    """
    entries = tuple(dict.fromkeys(entry for one in all_of if one is not None for entry in one.entries))
    if not entries:
        return None
    xp = namespace(like[0])

    def column(one: Standing | None, other: Array, entry: Entry) -> Array:
        return (
            xp.zeros_like(other) if one is None or entry not in one.entries else one.ucur[:, one.entries.index(entry)]
        )

    pairs = list(zip(all_of, like, strict=True))
    columns = [xp.concat([column(one, other, entry) for one, other in pairs], axis=0) for entry in entries]
    return Standing(entries, xp.stack(columns, axis=1))
