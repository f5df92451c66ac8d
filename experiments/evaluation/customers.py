"""Customers as results tell them apart: who owns which agents, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gridbazaar.data.community import INCOME as INCOME
from gridbazaar.data.community import Customer

MEMBER = "member"
"""The column that says whether a customer takes part in the local market, yes or no."""
_AUTOMATED = "automated"


@dataclass(frozen=True, slots=True)
class Customers:
    """Who is billed."""

    agents: Mapping[str, tuple[str, ...]]  # by customer
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by customer and column; "" where not said

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the labels."""
        return tuple(next(iter(self.labels.values()), {}))

    def label(self, customer: str, column: str) -> str:
        """What is said of a customer; "" where nothing is."""
        return self.labels.get(customer, {}).get(column, "")

    def is_member(self, customer: str) -> bool:
        """Whether a customer takes part in the local market; those of whom nothing is said do."""
        return self.label(customer, MEMBER) != "no"

    @property
    def has_members(self) -> bool:
        """Whether some take part and others do not."""
        return any(not self.is_member(customer) for customer in self.agents)

    def income_cur(self, customer: str) -> float | None:
        """What a customer earns a year; none where it is not said."""
        found = self.label(customer, INCOME)
        return float(found) if found else None


def customers_of(community: Sequence[Customer]) -> Customers:
    """Give the customers of a scenario, with the columns in which they differ or that their file has."""
    switches = {
        MEMBER: {customer.name: customer.member for customer in community},
        _AUTOMATED: {customer.name: customer.automated for customer in community},
    }
    said = {name: of for name, of in switches.items() if not all(of.values())}
    names = list(dict.fromkeys(name for customer in community for name, _ in _labels(customer)))
    labels = {
        customer.name: {name: "yes" if of[customer.name] else "no" for name, of in said.items()}
        | {name: customer.label(name) for name in names}
        for customer in community
    }
    return Customers({customer.name: customer.agents for customer in community}, labels if said or names else {})


def _labels(customer: Customer) -> tuple[tuple[str, str], ...]:
    return tuple(dict(customer.labels).items())
