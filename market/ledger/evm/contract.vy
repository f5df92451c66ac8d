# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Anchors of a ledger, and one interval settled delivery versus payment
@notice An anchor is a checkpoint that the ledger's operator can no longer take back: interval, Merkle root, size.
        Settlement is a demonstration: ids and balances are in the manner of ERC-1155, id 0 is money (micro-units of
        the currency), any other id is the energy (micro-kWh) of one meter in one interval.
"""

struct Trade:
    seller: address
    buyer: address
    id: uint256
    energy_ukwh: uint256
    pay_ucur: uint256

event Anchored:
    interval: indexed(uint64)
    root: bytes32
    size: uint64

event TransferSingle:
    operator: indexed(address)
    sender: indexed(address)
    receiver: indexed(address)
    id: uint256
    amount: uint256

MONEY: constant(uint256) = 0
MOST_TRADES: constant(uint256) = 512
SLOT: constant(uint256) = 2**64

operator: public(immutable(address))
roots: public(HashMap[uint64, bytes32])
last: uint256  # SLOT times the interval, plus the size: one slot costs less than two
balanceOf: public(HashMap[address, HashMap[uint256, uint256]])
settled: public(HashMap[uint64, bool])


@deploy
def __init__():
    operator = msg.sender


@external
def anchor(interval: uint64, root: bytes32, size: uint64):
    """
    @notice Anchor a checkpoint; the same one again does nothing, so a lost answer is no harm. A root holds its size,
            which is given to see that the log grows.
    """
    assert msg.sender == operator, "only the operator anchors"
    known: bytes32 = self.roots[interval]
    if known != empty(bytes32):
        assert known == root, "the interval has another anchor"
        return
    last: uint256 = self.last
    assert size > convert(last % SLOT, uint64), "the log must grow"
    assert last == 0 or interval > convert(last // SLOT, uint64), "intervals must rise"
    self.roots[interval] = root
    self.last = convert(interval, uint256) * SLOT + convert(size, uint256)
    log Anchored(interval=interval, root=root, size=size)


@external
def mint(receiver: address, id: uint256, amount: uint256):
    """
    @notice Bring money or metered energy on the chain.
    """
    assert msg.sender == operator, "only the operator mints"
    self.balanceOf[receiver][id] += amount
    log TransferSingle(operator=msg.sender, sender=empty(address), receiver=receiver, id=id, amount=amount)


@external
def settle(interval: uint64, trades: DynArray[Trade, MOST_TRADES]):
    """
    @notice Settle the trades of an interval: energy against money, all of them or none. Who has too little of
            either makes the subtraction fail, and with it the whole call.
    """
    assert msg.sender == operator, "only the operator settles"
    assert not self.settled[interval], "the interval is settled"
    self.settled[interval] = True
    for trade: Trade in trades:
        assert trade.id != MONEY, "money is no energy"
        self._move(trade.seller, trade.buyer, trade.id, trade.energy_ukwh)
        self._move(trade.buyer, trade.seller, MONEY, trade.pay_ucur)


@internal
def _move(sender: address, receiver: address, id: uint256, amount: uint256):
    self.balanceOf[sender][id] -= amount
    self.balanceOf[receiver][id] += amount
    log TransferSingle(operator=msg.sender, sender=sender, receiver=receiver, id=id, amount=amount)
