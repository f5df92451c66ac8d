"""The contract on a chain in memory: anchors that cannot be taken back, and settlement of all or nothing."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("eth_tester", reason="needs the extra evm")
pytest.importorskip("eth", reason="needs py-evm")

from gridbazaar.market.ledger.evm.anchors import (
    MONEY,
    ChainError,
    Contract,
    Delivery,
    energy_id,
    new_chain,
)
from gridbazaar.market.ledger.evm.build import COMPILED, compiled
from gridbazaar.market.ledger.log.note import Checkpoint

BEGIN = [Checkpoint("village", 10 * (i + 1), bytes([i + 1]) * 32, i) for i in range(4)]


@pytest.fixture(scope="module")
def deployed() -> tuple[Any, Contract]:
    chain = new_chain()
    return chain, Contract.deploy(chain)


@pytest.fixture
def contract(deployed: tuple[Any, Contract]) -> Any:
    """A contract that nothing was done with yet."""
    chain, contract = deployed
    snapshot = chain.take_snapshot()
    yield contract
    chain.revert_to_snapshot(snapshot)


@pytest.fixture
def people(deployed: tuple[Any, Contract]) -> list[str]:
    return list(deployed[0].get_accounts()[1:])


def test_the_committed_bytecode_is_that_of_the_source() -> None:
    pytest.importorskip("vyper", reason="needs the compiler")
    assert COMPILED.read_text(encoding="utf-8") == compiled()


def test_checkpoints_are_anchored_at_little_gas(contract: Contract) -> None:
    used = [contract.anchor(checkpoint) for checkpoint in BEGIN]
    assert [contract.root(c.interval) for c in BEGIN] == [c.root for c in BEGIN]
    assert contract.root(99) is None
    assert max(used[1:]) < 60_000


def test_the_same_anchor_again_is_no_harm_and_another_one_is_refused(contract: Contract) -> None:
    for checkpoint in (*BEGIN, *BEGIN):
        contract.anchor(checkpoint)
    with pytest.raises(ChainError, match="the interval has another anchor"):
        contract.anchor(Checkpoint("village", 30, bytes(32), 2))


def test_71_a_failed_anchor_is_made_up_for(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    anchor, calls = contract.anchor, []

    def unsteady(checkpoint: Checkpoint, sender: str | None = None) -> int:
        calls.append(checkpoint)
        if len(calls) == 3:
            raise ChainError("no answer")
        return anchor(checkpoint, sender)

    monkeypatch.setattr(contract, "anchor", unsteady)
    with pytest.raises(ChainError, match="no answer"):
        contract.catch_up(BEGIN)
    assert contract.catch_up(BEGIN) == 2
    assert contract.catch_up(BEGIN) == 0
    assert contract.disagreements(BEGIN) == []


def test_71_a_log_that_shrinks_is_refused(contract: Contract) -> None:
    contract.catch_up(BEGIN)
    for size in (39, 40):
        with pytest.raises(ChainError, match="the log must grow"):
            contract.anchor(Checkpoint("village", size, b"5" * 32, 4))


def test_an_earlier_interval_is_refused(contract: Contract) -> None:
    contract.anchor(Checkpoint("village", 5, b"5" * 32, 7))
    with pytest.raises(ChainError, match="intervals must rise"):
        contract.anchor(Checkpoint("village", 6, b"6" * 32, 6))


def test_72_nobody_but_the_operator_writes(contract: Contract, people: list[str]) -> None:
    with pytest.raises(ChainError, match="only the operator anchors"):
        contract.anchor(BEGIN[0], sender=people[0])
    with pytest.raises(ChainError, match="only the operator mints"):
        contract.mint(people[0], MONEY, 5, sender=people[0])
    with pytest.raises(ChainError, match="only the operator settles"):
        contract.settle(0, [], sender=people[0])


def test_a_ledger_rewritten_by_its_operator_disagrees_with_the_chain(contract: Contract) -> None:
    contract.catch_up(BEGIN)
    rewritten = [*BEGIN[:2], Checkpoint("village", 30, bytes(32), 2), *BEGIN[3:]]
    assert contract.disagreements(rewritten) == ["interval 2: the chain has another root"]


def test_trades_move_energy_against_money(contract: Contract, people: list[str]) -> None:
    ann, bob, cem = people[:3]
    pv = energy_id(0, 3)
    contract.mint(ann, pv, 5_000_000)
    for buyer in (bob, cem):
        contract.mint(buyer, MONEY, 600_000)
    contract.settle(3, [Delivery(ann, bob, pv, 2_000_000, 360_000), Delivery(ann, cem, pv, 1_000_000, 180_000)])
    assert [contract.balance(who, pv) for who in (ann, bob, cem)] == [2_000_000, 2_000_000, 1_000_000]
    assert [contract.balance(who, MONEY) for who in (ann, bob, cem)] == [540_000, 240_000, 420_000]
    with pytest.raises(ChainError, match="the interval is settled"):
        contract.settle(3, [])


@pytest.mark.parametrize(("energy_ukwh", "pay_ucur"), [(3_000_001, 1), (1, 240_001)])
def test_one_leg_short_voids_the_interval(
    contract: Contract, people: list[str], energy_ukwh: int, pay_ucur: int
) -> None:
    ann, bob = people[:2]
    pv = energy_id(0, 3)
    contract.mint(ann, pv, 5_000_000)
    contract.mint(bob, MONEY, 600_000)
    good = Delivery(ann, bob, pv, 2_000_000, 360_000)
    with pytest.raises(ChainError):
        contract.settle(3, [good, Delivery(ann, bob, pv, energy_ukwh, pay_ucur)])
    assert (contract.balance(ann, pv), contract.balance(bob, MONEY)) == (5_000_000, 600_000)
    contract.settle(3, [good])


def test_money_is_not_delivered_as_energy(contract: Contract, people: list[str]) -> None:
    contract.mint(people[0], MONEY, 10)
    with pytest.raises(ChainError, match="money is no energy"):
        contract.settle(0, [Delivery(people[0], people[1], MONEY, 5, 0)])


def test_energy_of_one_meter_and_interval_is_its_own_token() -> None:
    ids = {energy_id(meter, interval) for meter in range(5) for interval in range(5)}
    assert len(ids) == 25
    assert MONEY not in ids
