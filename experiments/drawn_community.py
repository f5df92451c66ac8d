"""A scenario's community as the table from which the same one is read again."""

from __future__ import annotations

import csv
import io
import math

import numpy as np

from gridbazaar.data.community import SWITCHES
from gridbazaar.data.own_rows import BUS, OwnColumn
from gridbazaar.envs.episode.world import World


def community_csv(world: World) -> str:
    """Give a row an agent: its customer, what is said of that one, and what it has in all episodes.

    Numbers are written so that they are read again to the last bit.
    """
    customers, bank = world.scenario.customers, world.bank
    owner = {agent: customer for customer in customers for agent in customer.agents}
    labels = list(dict.fromkeys(name for customer in customers for name in dict(customer.labels)))
    columns = dict.fromkeys(
        column for kind, said in zip(world.kinds, world.lasting.said, strict=True) for column in kind.lasting
        if column.name in said
    )  # fmt: skip
    names = {"homes": bank.homes, "roofs": bank.roofs, "cars": ()}
    has_bus = bool((world.lasting.bus >= 0).any())
    switches = [name for name in SWITCHES if not all(getattr(customer, name) for customer in customers)]
    file = io.StringIO()
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["customer", "agent", *switches, *labels, *(column.name for column in columns), *[BUS.name] * has_bus])
    for i, agent in enumerate(world.scenario.agent_names):
        customer = owner[agent]
        k = next(k for k, of_kind in enumerate(world.slices) if of_kind.start <= i < of_kind.stop)
        said = {name: float(values[i - world.slices[k].start]) for name, values in world.lasting.said[k].items()}
        yes = ["yes" if getattr(customer, name) else "no" for name in switches]
        own = [_cell(said.get(column.name, math.nan), column, names.get(column.of, ())) for column in columns]
        bus = [_cell(float(b), BUS, world.grid.feeder.buses) for b in [world.lasting.bus[i]] if has_bus]
        out.writerow([customer.name, agent, *yes, *(customer.label(name) for name in labels), *own, *bus])
    return file.getvalue()


def _cell(value: float, column: OwnColumn, names: tuple[str, ...]) -> str:
    if np.isnan(value) or (column is BUS and value < 0):
        return ""
    if column.of:
        return names[int(value)] if names else str(int(value))
    return repr(float(value))
