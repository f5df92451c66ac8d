"""Customers at their meters: devices of a family are netted in every step before anything is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.evaluation.accounts import ENERGY, Accounts

Ints = NDArray[np.int64]


class AtMeters(NamedTuple):
    """A batch of episodes as the meters of its customers show it."""

    net_ukwh: Ints  # [n_steps, n_envs, n_customers]
    energy_ukwh: Ints  # [n_months, n_envs, len(ENERGY), n_customers]
    peak_ukwh: Ints  # [n_months, n_envs, n_customers] most that a step drew


def owned(asked: Asked) -> Ints:
    """[n_customers, n_agents] 1 where the agent is the customer's."""
    owners = asked.customers.agents.values()
    names = asked.world(asked.today, next(iter(asked.mechanisms))).agent_names
    return np.array([[agent in held for agent in names] for held in owners], np.int64)


def at_meters(book: Accounts, whose: Ints) -> AtMeters:
    """Net the devices of each customer and count what its meter shows.

    Args:
        book: accounts of the agents.
        whose: from ``owned``.
    """
    net, local = (np.einsum("tea,ca->tec", series, whose) for series in (book.net_ukwh, book.local_ukwh))
    n_months, n_envs, n = len(book.months), net.shape[1], len(whose)
    energy, peak = np.zeros((n_months, n_envs, len(ENERGY), n), np.int64), np.zeros((n_months, n_envs, n), np.int64)
    month = np.stack([book.month_of(t)[0] for t in range(len(net))])  # [n_steps, n_envs]
    envs = np.broadcast_to(np.arange(n_envs), month.shape)
    counted = np.stack([np.maximum(net, 0), np.maximum(-net, 0), np.maximum(local, 0), np.maximum(-local, 0)], axis=2)
    np.add.at(energy, (month, envs), counted)
    np.maximum.at(peak, (month, envs), net)
    return AtMeters(net, energy, peak)


def drawn_kwh(accounts: Iterable[Accounts], whose: Ints) -> float:
    """What all meters drew in all episodes."""
    place = ENERGY.index("drawn_kwh")
    return sum(int(at_meters(book, whose).energy_ukwh[:, :, place].sum()) for book in accounts) / MICRO
