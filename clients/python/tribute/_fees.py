"""Fees of transactions: the market's, within caps, and those of replacements."""

from __future__ import annotations

from . import errors
from ._node import Node, Unusable, listed

FEE_RISE = 20
"""By how much the fees of a replacement are higher, percent: nodes want 10 at least."""
FEE_CAP, TIP_CAP = 500 * 10**9, 30 * 10**9
"""Maximum price and tip per gas, wei, whatever the node suggests."""
CAPS = {"gasPrice": FEE_CAP, "maxFeePerGas": FEE_CAP, "maxPriorityFeePerGas": TIP_CAP}
"""The same by the field of a transaction."""
PAST_BLOCKS, PERCENTILE = "0xa", 20.0
"""Number of past blocks whose tips are sampled, and which of each block's tips."""


def raised(old: dict[str, int], market: dict[str, int]) -> dict[str, int]:
    """Fees that replace `old` ones, higher by FEE_RISE and not below the market's, within the caps."""
    if market.keys() != old.keys():
        market = old
    offer = {name: min(max(-(-fee * (100 + FEE_RISE) // 100), market[name]), CAPS[name]) for name, fee in old.items()}
    if "maxPriorityFeePerGas" in offer:
        offer["maxPriorityFeePerGas"] = min(offer["maxPriorityFeePerGas"], offer["maxFeePerGas"])
    return offer


def fees(node: Node, refused: bool = False) -> dict[str, int]:
    """Market fees as fields of a transaction: of EIP-1559, or a gas price on chains without base fees. If a node `refused` the usual tip as
    too low, the tip is at least what it asks for gas above the base fee.

    Raises
    ------
    errors.TransactionFailed
        The node asks for more than the cap.
    """
    base = base_fee(node)
    if base is None:
        return {"gasPrice": _within_cap(node, _gas_price(node))}
    base = _within_cap(node, base)
    tip = usual_tip(node)
    if tip is None:
        tip = _gas_price(node) - base
    elif refused:
        try:
            tip = max(tip, node.ask_number("eth_gasPrice", []) - base)
        except Unusable:
            pass
    tip = min(max(tip, 1), TIP_CAP)
    most = min(2 * base + tip, FEE_CAP)  # enough for six full blocks in a row
    return {"maxFeePerGas": most, "maxPriorityFeePerGas": min(tip, most)}


def base_fee(node: Node) -> int | None:
    """The newest block's; None on chains without base fees."""
    block = node.ask("eth_getBlockByNumber", ["latest", False]) or {}
    if not isinstance(block, dict):
        raise node.unusable("eth_getBlockByNumber", block, "a block")
    base = block.get("baseFeePerGas")
    return None if base is None else node.number("eth_getBlockByNumber", base)


def usual_tip(node: Node) -> int | None:
    """Median of the tips of recent blocks that paid any; None if the node reports none."""
    try:
        history = node.ask("eth_feeHistory", [PAST_BLOCKS, "latest", [PERCENTILE]])
        reward = history.get("reward") if isinstance(history, dict) else None
        first = [block[0] for block in listed(reward) if isinstance(block, list) and block and block[0] is not None]
        tips = sorted(tip for tip in (node.number("eth_feeHistory", given) for given in first) if tip)
    except Unusable:
        return None
    return tips[len(tips) // 2] if tips else None


def _gas_price(node: Node) -> int:
    try:
        return node.ask_number("eth_gasPrice", [])
    except Unusable as refused:
        raise errors.ChainUnavailable(
            f"{node.shown} does not say what gas costs: eth_feeHistory gives no tips, and eth_gasPrice fails ({refused.words}); use a node "
            "that has one of them"
        ) from None


def _within_cap(node: Node, asked: int) -> int:
    if asked > FEE_CAP:
        raise errors.TransactionFailed(
            f"{node.shown} asks {asked} wei per gas, more than the cap of {FEE_CAP}: wait until gas is cheaper"
        )
    return asked
