"""Transactions from signature to receipt: each is followed by its hash, whatever a node says when it is handed over."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.exceptions import TransactionNotFound

from . import errors
from ._node import SEND, Node, Refused, refusal

MINED = 120.0
"""Time limit for a transaction to be mined, seconds."""
RESEND = 1.0
"""Interval of sending the same bytes again while it is unknown whether a node has them, seconds."""
RECEIPT_LAG = 5.0
"""Time a node may take to find the receipt of a transaction whose nonce it counts as used, seconds."""
REFUSAL_PATIENCE = 10.0
"""Time a node may keep refusing a transaction in unclear words before it is an error, seconds."""
POLL, SLOWEST_POLL = 0.05, 2.0
"""Shortest and longest time between two looks for a receipt, seconds."""
GAS_MARGIN = 1.25
GAS_CAP = 1 << 24
"""Maximum gas of one transaction (EIP-7825)."""
FEE_CAP, TIP_CAP = 500 * 10**9, 30 * 10**9
"""Maximum price and tip per gas, wei, whatever the node suggests."""
PAST_BLOCKS, PERCENTILE = "0xa", 20.0
"""Number of past blocks whose tips are sampled, and which of each block's tips."""


@dataclass(frozen=True)
class Signed:
    """A signed transaction."""

    action: str
    """What it does, for errors."""
    hash: str
    raw: str
    nonce: int


@dataclass(frozen=True)
class Handed:
    """What a node said when a transaction was handed to it."""

    meaning: str
    """As :func:`refusal` gives it; ``known`` also if the node took it, ``unknown`` if there was no answer."""
    words: str = ""
    """The node's error."""

    @property
    def taken(self) -> bool:
        """Whether the node has it, or its nonce is used, so that sending it again is of no use."""
        return self.meaning in ("known", "nonce used")

    @property
    def refused(self) -> bool:
        return self.meaning in ("unfunded", "invalid", "unclear")


def fees(node: Node) -> dict[str, int]:
    """Market fees as fields of a transaction: of EIP-1559, or a gas price on chains without base fees.

    Raises
    ------
    errors.TransactionFailed
        The node asks for more than the cap.
    """
    head = node.ask("eth_getBlockByNumber", ["latest", False]) or {}
    if head.get("baseFeePerGas") is None:
        return {"gasPrice": _within_cap(node, _gas_price(node))}
    base = _within_cap(node, int(head["baseFeePerGas"], 16))
    tip = _usual_tip(node)
    if tip is None:
        tip = _gas_price(node) - base
    tip = min(max(tip, 1), TIP_CAP)
    most = min(2 * base + tip, FEE_CAP)  # enough for six full blocks in a row
    return {"maxFeePerGas": most, "maxPriorityFeePerGas": min(tip, most)}


def _usual_tip(node: Node) -> int | None:
    """Median of the tips of recent blocks that paid any; None if the node reports none."""
    try:
        history = node.ask("eth_feeHistory", [PAST_BLOCKS, "latest", [PERCENTILE]]) or {}
    except Refused:
        return None
    rewards = [block[0] for block in history.get("reward") or () if block]
    tips = sorted(tip for tip in (int(reward, 16) for reward in rewards) if tip)
    return tips[len(tips) // 2] if tips else None


def _gas_price(node: Node) -> int:
    try:
        return int(node.ask("eth_gasPrice", []), 16)
    except Refused as refused:
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


class Sender:
    """The transactions of an account on a node.

    One whose outcome is not known is kept: sending the same message again goes on with it, and makes no second one. It is forgotten when
    another message is sent and it was mined meanwhile: the same message is then a new one.
    """

    def __init__(self, web3: Web3, node: Node, account: LocalAccount, chain_id: int):
        self._web3, self._node, self._account, self._chain_id = web3, node, account, chain_id
        self._unsettled: dict[tuple[str, str], Signed] = {}

    def send(self, action: str, to: str, data: str, gas: int) -> Any:
        """Signs and sends a message of `gas`, before margin, and waits for its receipt, whatever its status.

        If the last call with this message left a transaction whose outcome was not known, this one goes on with it, also if it was mined
        meanwhile, and returns its receipt.

        Raises
        ------
        errors.TransactionFailed
            It could not be paid for, is refused, or was not mined in time; the message tells whether it may still be mined.
        errors.ChainUnavailable
            The node cannot be asked for what a transaction needs. Nothing was sent.
        """
        message = (to, data)
        self._settle(message)
        signed = self._unsettled.get(message)
        if signed is None:
            signed = self._unsettled[message] = self._signed(action, to, data, gas)
            first = self._hand_over(signed)
            if first.meaning in ("unfunded", "invalid"):
                del self._unsettled[message]
                why = f"{self._account.address} cannot pay for it" if first.meaning == "unfunded" else "the node refuses it"
                raise errors.TransactionFailed(f"{action}: {why} ({first.words}); nothing was sent")
        else:
            first = self._hand_over(signed)
        receipt = self._mined(message, signed, first)
        del self._unsettled[message]
        return receipt

    def unsettled(self, to: str, data: str) -> bool:
        """Whether an earlier call left a transaction of this message, whose outcome is not known."""
        return (to, data) in self._unsettled

    def forget(self, to: str, data: str) -> None:
        """Forgets the transaction of a message whose effect is known to be there, so that the same message is a new one."""
        self._unsettled.pop((to, data), None)

    def wait_for_others(self) -> None:
        """Waits until no transaction of the account waits in the node but those that this sender follows: one of a process that has
        ended may still change what the chain says. A node that shows no pending transactions has none to wait for.

        Raises
        ------
        errors.TransactionFailed
            One is not mined in time.
        """
        started = time.monotonic()
        while True:
            own = {signed.nonce for signed in self._unsettled.values()}
            other = next((nonce for nonce in range(self._count("latest"), self._count("pending")) if nonce not in own), None)
            if other is None:
                return
            waited = time.monotonic() - started
            if waited > MINED:
                raise errors.TransactionFailed(
                    f"a transaction of {self._account.address} with nonce {other}, which was sent before by another process, was not mined "
                    f"within {MINED:.0f} s: wait until it is, or replace it; nothing was sent"
                )
            time.sleep(max(POLL, min(waited / 10, SLOWEST_POLL)))

    def _count(self, block: str) -> int:
        """Number of the account's transactions up to a block: ``latest``, or ``pending`` with those that wait in the node."""
        return int(self._node.ask("eth_getTransactionCount", [self._account.address, block]), 16)

    def _settle(self, asked: tuple[str, str]) -> None:
        """Forgets the transactions of other messages than the one `asked` for whose nonce is used: they were mined, or never can be."""
        others = [message for message in self._unsettled if message != asked]
        if not others:
            return
        used = self._count("latest")
        for message in others:
            if self._unsettled[message].nonce < used:
                del self._unsettled[message]

    def _signed(self, action: str, to: str, data: str, gas: int) -> Signed:
        gas = min(int(gas * GAS_MARGIN), GAS_CAP) if gas <= GAS_CAP else gas
        if gas > GAS_CAP:
            raise errors.TransactionFailed(f"{action} needs {gas} gas, more than the cap of {GAS_CAP}")
        nonce = self._count("pending")
        fields: dict[str, Any] = {"to": to, "data": data, "value": 0, "gas": gas, "nonce": nonce, "chainId": self._chain_id}
        made = self._account.sign_transaction(fields | fees(self._node))
        return Signed(action, made.hash.to_0x_hex(), made.raw_transaction.to_0x_hex(), nonce)

    def _mined(self, message: tuple[str, str], signed: Signed, handed: Handed) -> Any:
        """Waits for the receipt of a transaction; hands it over again while a node may not have it."""
        started = handed_at = time.monotonic()
        refused = orphaned = None
        while True:
            now = time.monotonic()
            try:
                if not handed.taken and now - handed_at >= RESEND:
                    handed, handed_at = self._hand_over(signed), now
                refused = (refused or now) if handed.refused else None
                receipt = self._receipt(signed)
                if receipt is not None:
                    return receipt
                if now - started >= RESEND:
                    used = self._count("latest")
                    orphaned = (orphaned or now) if used > signed.nonce else None
                    # with growing pauses: a node that shows no pending transactions would get the same bytes all the time
                    if handed.taken and not orphaned and now - handed_at >= max(RESEND, (now - started) / 8):
                        handed_at = now
                        if not self._is_known(signed):
                            handed = self._hand_over(signed)
            except errors.ChainUnavailable as failed:
                handed = Handed(handed.meaning, failed.message)
            if orphaned and now - orphaned >= RECEIPT_LAG:
                del self._unsettled[message]
                raise errors.TransactionFailed(
                    f"{signed.action}: nonce {signed.nonce} of {self._account.address} was used by another transaction, so ours "
                    f"({signed.hash}) can no longer be mined; do not use one key from two programs at a time"
                )
            if refused and now - refused >= REFUSAL_PATIENCE:
                raise errors.TransactionFailed(
                    f"{signed.action}: the node refuses the transaction ({handed.words!r}) and does not show it, but may have passed it on: "
                    f"look for {signed.hash} at another node; the same call, made before any other, goes on with it"
                )
            if now - started > MINED:
                last = f"; last error: {handed.words}" if handed.words else ""
                raise errors.TransactionFailed(
                    f"{signed.action}: transaction {signed.hash} was not mined within {MINED:.0f} s; it may still be: look for it before "
                    f"sending again, or make the same call, before any other, which goes on with it{last}"
                )
            time.sleep(max(POLL, min((now - started) / 10, SLOWEST_POLL)))

    def _hand_over(self, signed: Signed) -> Handed:
        """Hands a transaction to the node. An error counts only if the node does not know the transaction: gateways forward it to several
        nodes and return the last answer."""
        try:
            self._node.ask(SEND, [signed.raw])
        except Refused as failed:
            meaning = refusal(failed.words)
            try:
                return Handed("known" if meaning == "known" or self._is_known(signed) else meaning, failed.words)
            except errors.ChainUnavailable:
                return Handed("unknown", failed.words)
        except errors.ChainUnavailable as failed:
            return Handed("unknown", failed.message)
        return Handed("known")

    def _is_known(self, signed: Signed) -> bool:
        return self._node.ask("eth_getTransactionByHash", [signed.hash]) is not None or self._receipt(signed) is not None

    def _receipt(self, signed: Signed) -> Any | None:
        try:
            return self._web3.eth.get_transaction_receipt(signed.hash)  # type: ignore[arg-type]
        except TransactionNotFound:
            return None
