"""How the ledger of an audited run begins: assets, accounts and their credit, meters, stakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.market.ledger.books.entries import ASSETS, OPERATOR
from gridbazaar.market.ledger.books.meters import derive, signed
from gridbazaar.market.ledger.log.canonical import LARGEST, Entry
from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES

CREDIT_UCUR = 10**12  # a million; far above an ordinary bill, so that no order is void that the simulation let trade
STAKE_UCUR = 10**6
POOL_METER = "pool"
CERTIFIER = "metering"
_UNITS = {"cash": "ucur", "kwh": "ukwh", "claim": "ukwh", "rec": "ukwh", "co2": "mg", "right": "piece"}


def opening(
    core: Core, secret: bytes, meters: Mapping[str, Signer], accounts: Sequence[str], of_agent: Sequence[str]
) -> list[Entry]:
    """Give the entries before the first interval: assets, accounts, credit, meters and stakes.

    Args:
        core: whose agents have meters.
        secret: what keys derive from.
        meters: the signer of each agent's meter.
        accounts: of customers.
        of_agent: the account of each agent.
    """
    agents, bus = core.agents, bus_of_agents(core)
    co2_mg_per_kwh = round(float(np.mean(core.world.carbon_kg_per_kwh)) * MICRO)
    certifier = Signer(derive(secret, CERTIFIER))
    opened: list[Entry] = [
        {
            "kind": "asset", "txid": f"asset/{name}", "asset": name, "unit": _UNITS[name],
            "factor_mg_per_kwh": co2_mg_per_kwh if name == "co2" else 0,
        }
        for name in ASSETS
    ]  # fmt: skip
    roles_of = {
        account: {
            core.scenario.agent_kind(agent) for agent, own in zip(agents, of_agent, strict=True) if own == account
        }
        for account in accounts
    }
    roles = [
        (CERTIFIER, "certifier", certifier.did),
        *((party, "system", None) for party in SYSTEM_PARTIES),
        *((a, _role(roles_of[a]), Signer(derive(secret, "account", a)).did) for a in accounts),
    ]
    for account, role, did in roles:
        opened.append({"kind": "account", "txid": f"account/{account}", "account": account, "role": role, "did": did})
    for account, role, _ in roles[1:]:
        limit = LARGEST if role == "system" else CREDIT_UCUR
        opened.append({"kind": "credit", "txid": f"credit/{account}", "account": account, "limit_ucur": limit})
    for agent, account, node in zip(agents, of_agent, bus, strict=True):
        opened.append(signed(_meter(agent, account, meters[agent].did, node, CERTIFIER), certifier))
    opened.append(_meter(POOL_METER, OPERATOR, None, 0, None))
    return opened + [stake("stake", 0, account) for account in accounts]


def _role(kinds: set[str]) -> str:
    return next(iter(kinds)) if len(kinds) == 1 else "customer"


def bus_of_agents(core: Core) -> list[int]:
    """Give the bus of each agent, by its number."""
    buses: list[int] = np.asarray(core.world.order_bus[: core.n_agents]).tolist()
    return buses


def stake(kind: str, interval: int, agent: str) -> Entry:
    """Give the entry that locks an agent's stake, or releases it."""
    return {
        "kind": kind, "txid": f"{interval}/{kind}/{agent}", "interval": interval, "account": agent,
        "amount_ucur": STAKE_UCUR,
    }  # fmt: skip


def _meter(name: str, account: str, did: str | None, node: int, certifier: str | None) -> Entry:
    return {
        "kind": "meter", "txid": f"meter/{name}", "meter": name, "account": account, "did": did, "node": int(node),
        "certifier": certifier, "valid_until_s": LARGEST, "sig": None,
    }  # fmt: skip
