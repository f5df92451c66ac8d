"""Anchor checkpoints on an Ethereum chain: what stands there the operator of the ledger cannot take back.

The chain is an eth-tester one (py-evm), for tests and demonstrations; nothing here reaches a public network.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gridbazaar.market.ledger.evm.build import COMPILED, needed
from gridbazaar.market.ledger.log.note import Checkpoint

MONEY = 0
"""Id of money; energy has ``energy_id``."""

MOST_GAS = 30_000_000
_TRADE = "(address,address,uint256,uint256,uint256)"


class ChainError(ValueError):
    """A transaction that the contract refused."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One trade on the chain, energy against money."""

    seller: str  # addresses
    buyer: str
    token: int
    energy_ukwh: int
    pay_ucur: int


def new_chain() -> Any:
    """Give a chain of its own in memory, with funded accounts; the first is the operator."""
    tester = needed("eth_tester")
    return tester.EthereumTester(tester.PyEVMBackend())


def energy_id(meter: int, interval: int) -> int:
    """Give the id of the energy that a meter measured in an interval."""
    return (meter + 1 << 64) | interval


class Contract:
    """The contract on a chain, spoken to by its operator unless said otherwise."""

    def __init__(self, chain: Any, address: str, operator: str) -> None:
        self._chain, self.address, self.operator = chain, address, operator

    @classmethod
    def deploy(cls, chain: Any) -> Contract:
        """Put the contract on a chain; the chain's first account becomes its operator."""
        operator = chain.get_accounts()[0]
        bytecode = json.loads(COMPILED.read_text(encoding="utf-8"))["bytecode"]
        receipt = _send(chain, {"from": operator, "data": bytecode})
        return cls(chain, receipt["contract_address"], operator)

    def anchor(self, checkpoint: Checkpoint, sender: str | None = None) -> int:
        """Anchor one checkpoint, gives the gas used; the same one again changes nothing."""
        arguments = [checkpoint.interval, checkpoint.root, checkpoint.size]
        return self._call("anchor(uint64,bytes32,uint64)", arguments, sender)

    def catch_up(self, checkpoints: Iterable[Checkpoint]) -> int:
        """Anchor what is not anchored yet, gives how many; after a failure simply call it again."""
        n = 0
        for checkpoint in checkpoints:
            if self.root(checkpoint.interval) != checkpoint.root:
                self.anchor(checkpoint)
                n += 1
        return n

    def root(self, interval: int) -> bytes | None:
        """Give the root that is anchored for an interval."""
        (root,) = self._ask("roots(uint64)", [interval], ["bytes32"])
        return bytes(root) if any(root) else None

    def disagreements(self, checkpoints: Iterable[Checkpoint]) -> list[str]:
        """Compare a ledger's checkpoints with the chain; intervals without anchor are not held against it."""
        return [
            f"interval {checkpoint.interval}: the chain has another root"
            for checkpoint in checkpoints
            if self.root(checkpoint.interval) not in (None, checkpoint.root)
        ]

    def mint(self, receiver: str, token: int, amount: int, sender: str | None = None) -> int:
        """Bring money or metered energy on the chain; gives the gas used."""
        return self._call("mint(address,uint256,uint256)", [receiver, token, amount], sender)

    def settle(self, interval: int, trades: Sequence[Delivery], sender: str | None = None) -> int:
        """Settle an interval, all its trades or none; gives the gas used."""
        rows = [(t.seller, t.buyer, t.token, t.energy_ukwh, t.pay_ucur) for t in trades]
        return self._call(f"settle(uint64,{_TRADE}[])", [interval, rows], sender)

    def balance(self, account: str, token: int) -> int:
        """Give what an account holds."""
        (amount,) = self._ask("balanceOf(address,uint256)", [account, token], ["uint256"])
        return int(amount)

    def _call(self, signature: str, arguments: Sequence[Any], sender: str | None) -> int:
        data = _encoded(signature, arguments)
        receipt = _send(self._chain, {"from": sender or self.operator, "to": self.address, "data": data})
        return int(receipt["gas_used"])

    def _ask(self, signature: str, arguments: Sequence[Any], returns: Sequence[str]) -> tuple[Any, ...]:
        data = _encoded(signature, arguments)
        answer = self._chain.call({"from": self.operator, "to": self.address, "data": data, "gas": MOST_GAS})
        found: tuple[Any, ...] = needed("eth_abi").decode(returns, bytes.fromhex(answer.removeprefix("0x")))
        return found


def _encoded(signature: str, arguments: Sequence[Any]) -> str:
    utils, abi = needed("eth_utils"), needed("eth_abi")
    data: bytes = utils.function_signature_to_4byte_selector(signature) + abi.encode(_types(signature), arguments)
    return "0x" + data.hex()


def _types(signature: str) -> list[str]:
    """The types of the arguments, split at the commas outside of brackets."""
    types, depth = [""], 0
    for c in signature.partition("(")[2][:-1]:
        depth += (c == "(") - (c == ")")
        if c == "," and not depth:
            types.append("")
        else:
            types[-1] += c
    return types


def _send(chain: Any, transaction: dict[str, Any]) -> Any:
    """Send a transaction that the contract takes; a call beforehand tells why it would not."""
    failed = needed("eth_tester.exceptions").TransactionFailed
    transaction |= {"gas": MOST_GAS}
    try:
        if "to" in transaction:
            chain.call(transaction)
        receipt = chain.get_transaction_receipt(chain.send_transaction(transaction))
    except failed as error:
        raise ChainError(f"refused by the contract: {error}") from error
    if not receipt["status"]:
        raise ChainError("refused by the contract")
    return receipt
