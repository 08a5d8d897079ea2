"""Transactions from signature to receipt: each is followed by its hash, whatever a node says when it is handed over."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field
from typing import Any, Callable

from eth_account.signers.local import LocalAccount

from . import errors
from ._fees import CAPS, TIP_CAP, base_fee, fees, raised, usual_tip
from ._node import SEND, Node, Refused, Unusable, listed
from ._refusal import refusal

MINED = 120.0
"""Time limit for a transaction to be mined, seconds."""
RESEND = 1.0
"""Interval of sending the same bytes again while it is unknown whether a node has them, seconds."""
RECEIPT_LAG = 5.0
"""Time a node may take to find the receipt of a transaction whose nonce it counts as used, before the block that used it is searched, or
to count a nonce whose receipt another node behind the same URL has shown, seconds."""
NONCE_RACES = 3
"""How often a message is signed again because another program used its nonce first."""
REFUSAL_PATIENCE, CLEAR_REFUSAL_PATIENCE = 10.0, 3.0
"""Time a node may keep refusing a transaction with the same fees, in unclear and in clear words, before it is an error, seconds."""
REPRICE = 30.0
"""Interval of comparing a transaction's fees with the chain's, seconds."""
POLL, SLOWEST_POLL = 0.05, 2.0
"""Shortest and longest time between two looks for a receipt, seconds."""
GAS_MARGIN = 1.25
GAS_CAP = 1 << 24
"""Maximum gas of one transaction (EIP-7825)."""
LEAST_GAS = 21_000
"""What every transaction uses."""
GO_ON = "make the same call of the same Chain, before any other, which goes on with it"
"""What errors advise while a transaction may still be mined."""
READ_BLOCKS = 32
"""Number of newest blocks that are read to find what used a nonce, if a node does not know the nonces of past blocks."""


@dataclass
class Pending:
    """A transaction between its signature and its receipt. Its versions have different fees or gas limits and the same nonce, so that at
    most one is mined."""

    action: str
    """What it does, for errors."""
    fields: dict[str, Any]
    """What its versions have in common, but for the gas limit, which is the newest one's."""
    estimate: Callable[[], int]
    """What the message would use now, before margin."""
    fees: dict[str, int] = field(default_factory=dict)
    """Those of the newest version, as :func:`fees` gives them."""
    raw: str = ""
    """The newest version."""
    hashes: list[str] = field(default_factory=list)
    """Those of all versions, oldest first; also of one that a wallet signed to replace ours by the same with other fees."""
    lost_race: bool = False
    """Whether its nonce was used before any node took it: what used it was meant as another transaction, also if it does the same."""
    came_first: bool = False
    """Whether its nonce was still unused when nodes had had time to catch up, so that what used it came later."""

    @property
    def nonce(self) -> int:
        return self.fields["nonce"]

    @property
    def shown(self) -> str:
        """Its hashes, for errors."""
        return " or ".join(reversed(self.hashes))


@dataclass(frozen=True)
class Receipt:
    """What a node says of a mined transaction; None for what it does not say."""

    block: int
    succeeded: bool | None
    gas: int | None
    logs: list[Any] | None
    """In the node's form."""

    @property
    def missing(self) -> list[str]:
        """The fields without which it does not say what happened."""
        fields = {"status": self.succeeded, "gasUsed": self.gas, "logs": self.logs}
        return [name for name, found in fields.items() if found is None]


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
    def is_clear(self) -> bool:
        """Whether the words leave no doubt that the node does not take it."""
        return self.meaning in ("unfunded", "fee too low", "invalid")

    @property
    def is_about_gas(self) -> bool:
        """Whether another gas limit may help."""
        return self.meaning == "invalid" and re.search("intrinsic ?gas|gas ?limit", self.words.lower()) is not None

    @property
    def wants_less(self) -> bool:
        """Whether lower fees may help: the account cannot pay, or the node has a cap on what a transaction may cost."""
        return self.meaning in ("unfunded", "invalid")

    @property
    def refused(self) -> bool:
        return self.is_clear or self.meaning == "unclear"

    def told(self, reason: str) -> Handed:
        """The same with another reason."""
        return Handed(self.meaning, f"{self.words}; {reason}" if self.words else reason)

    def failing(self, error: str) -> Handed:
        """The same with a later error of the node, unless it refused the transaction."""
        return self if self.refused else Handed(self.meaning, error)


class Sender:
    """The transactions of an account on a node.

    One whose outcome is not known is kept: sending the same message again goes on with it, and makes no second one. It is forgotten when
    another message is sent and it was mined meanwhile: the same message is then a new one.
    """

    def __init__(self, node: Node, account: LocalAccount, chain_id: int):
        self._node, self._account, self._chain_id = node, account, chain_id
        self._unsettled: dict[tuple[str, str], Pending] = {}
        self._mined_nonce, self._mined_at = -1, -math.inf
        """The highest nonce of which a receipt was seen, and when."""

    def send(
        self, action: str, to: str, data: str, estimate: Callable[[], int], lacks: Callable[[str, Receipt], str] = lambda *_: ""
    ) -> tuple[str, Receipt]:
        """Signs and sends a message, and waits for its receipt, whatever its status; returns hash and receipt.

        `estimate` gives the gas that the message would use now. `lacks` tells what a receipt of success, with this hash, should have and
        has not.

        If the last call with this message left a transaction whose outcome was not known, this one goes on with it, also if it was mined
        meanwhile, and returns its receipt.

        Raises
        ------
        errors.TransactionFailed
            It could not be paid for, is refused, was not mined in time, its receipt lacks something, or another transaction used its
            nonce; the message tells whether it may still be mined.
        errors.ChainUnavailable
            The node cannot be asked for what a transaction needs. Nothing was sent.
        LostRace
            Another transaction used its nonce before any node took it: the message can be sent again.
        """
        message = (to, data)
        self._settle(message)
        pending, priced = self._unsettled.get(message), -math.inf
        if pending is not None:
            pending.came_first, pending.estimate = True, estimate
        else:
            pending = self._unsettled[message] = self._signed(action, to, data, estimate)
            priced = time.monotonic()
        try:
            digest, receipt = self._mined(pending, priced)
        except _Replaced:
            del self._unsettled[message]
            raise
        self._mined_nonce, self._mined_at = max(self._mined_nonce, pending.nonce), time.monotonic()
        lacking = lacks(digest, receipt) if receipt.succeeded else ""
        if lacking:
            raise errors.TransactionFailed(
                f"{action}: transaction {digest} was mined in block {receipt.block} and did not revert, but its receipt has no {lacking}: "
                f"look for it at another node before sending again, or {GO_ON}. If every node shows the same, the contract at {to} is "
                "another one"
            )
        # of several transactions with one nonce, the others can never be mined
        self._unsettled = {m: other for m, other in self._unsettled.items() if other.nonce != pending.nonce}
        return digest, receipt

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
            own = {pending.nonce for pending in self._unsettled.values()}
            other = next((nonce for nonce in range(self._count("latest"), self._count("pending")) if nonce not in own), None)
            if other is None:
                return
            waited = time.monotonic() - started
            if waited > MINED:
                raise errors.TransactionFailed(
                    f"a transaction of {self._account.address} with nonce {other}, which was sent before by another process, was not mined "
                    f"within {MINED:.0f} s: wait until it is, or replace it; nothing was sent"
                )
            _pause(waited)

    def _count(self, block: str) -> int:
        """Number of the account's transactions up to a block: a number in hex, ``latest``, or ``pending`` with those that wait in the
        node."""
        return self._node.ask_number("eth_getTransactionCount", [self._account.address, block])

    def _settle(self, asked: tuple[str, str]) -> None:
        """Forgets the transactions of other messages than the one `asked` for whose nonce is used: they were mined, or never can be."""
        others = [message for message in self._unsettled if message != asked]
        if not others:
            return
        used = self._count("latest")
        for message in others:
            if self._unsettled[message].nonce < used:
                del self._unsettled[message]

    def _signed(self, action: str, to: str, data: str, estimate: Callable[[], int]) -> Pending:
        gas = self._with_margin(action, estimate())
        nonce = self._next_nonce()
        fields = {"to": to, "data": data, "value": 0, "gas": gas, "nonce": nonce, "chainId": self._chain_id}
        pending = Pending(action, fields, estimate)
        self._sign(pending, fees(self._node))
        return pending

    def _with_margin(self, action: str, gas: int) -> int:
        """The gas limit for an estimate."""
        if gas < LEAST_GAS:
            raise errors.ChainUnavailable(
                f"{self._node.shown} estimates {gas} gas for {action}, where every transaction uses {LEAST_GAS}: use another node"
            )
        if gas > GAS_CAP:
            raise errors.TransactionFailed(f"{action} needs {gas} gas, more than the cap of {GAS_CAP}")
        return min(int(gas * GAS_MARGIN), GAS_CAP)

    def _next_nonce(self) -> int:
        """The account's next nonce. A node behind the one that showed the last receipt is asked again."""
        while True:
            nonce, waited = self._count("pending"), time.monotonic() - self._mined_at
            if nonce > self._mined_nonce or waited >= RECEIPT_LAG:
                return nonce
            _pause(waited)

    def _sign(self, pending: Pending, offer: dict[str, int]) -> None:
        """Makes the version with these fees the newest."""
        made = self._account.sign_transaction(pending.fields | offer)
        pending.fees, pending.raw = offer, made.raw_transaction.to_0x_hex()
        pending.hashes.append(made.hash.to_0x_hex())

    def _mined(self, pending: Pending, priced: float) -> tuple[str, Receipt]:
        """Waits for the receipt of a transaction, with fees of the time `priced`; hands it over again while a node may not have it, and
        replaces fees that are too low for a node or for the chain, or too high for the account."""
        handed = self._offer(pending)
        if math.isfinite(priced) and len(pending.hashes) == 1:
            pending.lost_race = handed.meaning == "nonce used"
        started = handed_at = searched = time.monotonic()
        refused = used = mined = None
        while True:
            now = time.monotonic()
            try:
                if not handed.taken and now - handed_at >= RESEND:
                    offered = pending.fees
                    handed, handed_at = self._offer(pending), now
                    if pending.fees != offered:
                        refused = None
                refused = (refused or now) if handed.refused else None
                digest, receipt = pending.hashes[-1], None
                try:
                    digest, receipt = self._receipt(pending)
                except Unusable as failed:  # what used the nonce may be shown all the same
                    handed = handed.failing(failed.message)
                if receipt is not None:
                    if not receipt.missing:
                        return digest, receipt
                    mined = receipt.block
                    handed = Handed("known", f"its receipt has no {', '.join(receipt.missing)}")
                elif now - started >= RESEND:
                    used = (used or now) if self._count("latest") > pending.nonce else None
                    pending.came_first |= not used and now - started >= RECEIPT_LAG
                    # with growing pauses: a node that shows no pending transactions would get the same bytes all the time
                    pause = max(RESEND, (now - started) / 8)
                    if handed.taken and not used and now - handed_at >= pause:
                        handed_at = now
                        if not self._is_known(pending):
                            handed = self._offer(pending)
                    if not used and now - priced >= REPRICE:
                        priced = now
                        if handed.wants_less or self._is_outbid(pending):
                            handed, handed_at = self._reprice(pending, handed), now
                    if used and now - used >= RECEIPT_LAG and now - searched >= pause:
                        searched = now
                        mined = None if self._is_known(pending) else self._block_of(pending)
            except errors.ChainUnavailable as failed:
                handed = handed.failing(failed.message)
            if refused and not used and now - refused >= (CLEAR_REFUSAL_PATIENCE if handed.is_clear else REFUSAL_PATIENCE):
                unfunded = f"{self._account.address} cannot pay for it ({handed.words})"
                why = unfunded if handed.meaning == "unfunded" else f"the node refuses it ({handed.words})"
                raise errors.TransactionFailed(
                    f"{pending.action}: {why}. The node does not show it, but may have passed it on: look for {pending.shown} at another "
                    f"node before sending again, or {GO_ON}"
                )
            if now - started > MINED:
                last = f"; last error: {handed.words}" if handed.words else ""
                raise errors.TransactionFailed(
                    f"{pending.action}: {self._so_far(pending, used is not None, mined)}: look for it at another node before sending "
                    f"again, or {GO_ON}{last}"
                )
            _pause(now - started)

    def _so_far(self, pending: Pending, used: bool, mined: int | None) -> str:
        """What is known of a transaction without a receipt."""
        if mined is not None:
            return f"transaction {pending.shown} was mined in block {mined}, but the node shows no usable receipt within {MINED:.0f} s"
        if used:
            return (
                f"nonce {pending.nonce} of {self._account.address} is used, but within {MINED:.0f} s the node shows neither a receipt "
                f"of transaction {pending.shown} nor another transaction that used it"
            )
        return f"transaction {pending.shown} was not mined within {MINED:.0f} s; it may still be"

    def _block_of(self, pending: Pending) -> int | None:
        """Number of the block in which a transaction was mined whose nonce is used; None if the node does not show what used it. Another
        transaction that does the same and came later, such as a wallet signs to speed ours up, becomes one of its versions.

        Raises
        ------
        _Replaced
            Another transaction of the account used the nonce.
        """
        head = self._node.ask_number("eth_blockNumber", [])
        try:
            used = self._first_use(pending.nonce, head)
            return None if used is None else self._user_in(used, pending)
        except Refused:
            # many gateways do not know the counts of past blocks
            for block in range(head, max(head - READ_BLOCKS, -1), -1):
                found = self._user_in(block, pending)
                if found is not None:
                    return found
            raise

    def _first_use(self, nonce: int, head: int) -> int | None:
        """Number of the block up to `head` that used a nonce; None if none did."""
        used = head
        if self._count(hex(used)) <= nonce:
            return None
        # back from the head in growing steps: many nodes know the counts of the latest blocks only
        unused, step = used - 1, 1
        while unused >= 0 and self._count(hex(unused)) > nonce:
            used, unused, step = unused, unused - 2 * step, 2 * step
        unused = max(unused, -1)
        while used - unused > 1:
            middle = (used + unused) // 2
            if self._count(hex(middle)) > nonce:
                used = middle
            else:
                unused = middle
        return used

    def _user_in(self, block: int, pending: Pending) -> int | None:
        """The block if it has the transaction that used the nonce, otherwise None; raises as :meth:`_block_of`."""
        body = self._node.ask("eth_getBlockByNumber", [hex(block), True])
        for other in listed(body.get("transactions") if isinstance(body, dict) else None):
            fields = other if isinstance(other, dict) else {"hash": other}
            digest, sender, nonce = (str(fields.get(name)).lower() for name in ("hash", "from", "nonce"))
            if digest in pending.hashes:
                return block
            if sender != self._account.address.lower() or nonce != hex(pending.nonce):
                continue
            if pending.came_first and not pending.lost_race and _does_the_same(fields, pending):
                pending.hashes.append(digest)
                return block
            raise (LostRace if pending.lost_race else _Replaced)(
                f"{pending.action}: nonce {pending.nonce} of {self._account.address} was used by another transaction, {digest} in block "
                f"{block}, so ours ({pending.shown}) can no longer be mined; do not use one key from two programs at a time"
            )
        return None

    def _is_outbid(self, pending: Pending) -> bool:
        """Whether the chain's price, or the tip that others pay, passed what a transaction offers."""
        base, offered = base_fee(self._node), pending.fees.get("maxFeePerGas", pending.fees.get("gasPrice", 0))
        if base is not None and base > offered:
            return True
        tip = pending.fees.get("maxPriorityFeePerGas")
        return tip is not None and min(usual_tip(self._node) or 0, TIP_CAP) > tip

    def _offer(self, pending: Pending) -> Handed:
        """Hands over the newest version, and if its fees are too low for the node, one with higher fees; if its gas limit is refused, one
        with a limit for what the message would use now."""
        handed = self._hand_over(pending)
        if handed.is_about_gas:
            handed = self._estimated_again(pending, handed)
        return self._reprice(pending, handed) if handed.meaning == "fee too low" else handed

    def _estimated_again(self, pending: Pending, handed: Handed) -> Handed:
        """Hands over a version with another gas limit; `handed` with the reason if there is none."""
        try:
            gas = self._with_margin(pending.action, pending.estimate())
        except errors.TributeError as failed:
            return handed.told(failed.message)
        if gas == pending.fields["gas"]:
            return handed
        pending.fields["gas"] = gas
        self._sign(pending, pending.fees)
        return self._hand_over(pending)

    def _reprice(self, pending: Pending, handed: Handed) -> Handed:
        """Hands over a version with higher fees, or with lower ones if those may help; if the caps allow none, `handed` with the reason."""
        try:
            market = fees(self._node, handed.meaning == "fee too low")
        except (errors.TransactionFailed, errors.ChainUnavailable) as failed:
            return handed.told(failed.message)
        lower = {name: min(fee, market.get(name, fee)) for name, fee in pending.fees.items()}
        offer = lower if handed.wants_less else raised(pending.fees, market)
        if offer != pending.fees:
            self._sign(pending, offer)
            handed = self._hand_over(pending)
        at_cap = [f"{name} {most}" for name, most in CAPS.items() if offer.get(name) == most]
        return handed.told(f"its fees cannot be raised beyond {', '.join(at_cap)} wei: wait until gas is cheaper") if at_cap else handed

    def _hand_over(self, pending: Pending) -> Handed:
        """Hands the newest version to the node. An error counts only if the node knows no version: gateways forward them to several nodes
        and return the last answer."""
        try:
            self._node.ask(SEND, [pending.raw])
        except Refused as failed:
            meaning = refusal(failed.words)
            try:
                return Handed("known" if meaning == "known" or self._is_known(pending) else meaning, failed.words)
            except errors.ChainUnavailable:
                return Handed("unknown", failed.words)
        except errors.ChainUnavailable as failed:
            return Handed("unknown", failed.message)
        return Handed("known")

    def _is_known(self, pending: Pending) -> bool:
        if any(self._node.ask("eth_getTransactionByHash", [digest]) is not None for digest in reversed(pending.hashes)):
            return True
        return self._receipt(pending)[1] is not None

    def _receipt(self, pending: Pending) -> tuple[str, Receipt | None]:
        """Hash and receipt of the version that was mined; no receipt if none was.

        Raises
        ------
        Unusable
            The node's answer is no receipt, or that of another transaction.
        """
        for digest in reversed(pending.hashes):
            found = self._node.ask("eth_getTransactionReceipt", [digest])
            if found is None or (isinstance(found, dict) and found.get("blockNumber") is None):
                continue
            return digest, self._read(found, digest)
        return pending.hashes[-1], None

    def _read(self, found: Any, digest: str) -> Receipt:
        """A transaction's receipt: of the node's fields only those that are needed, since many fill others as they like."""
        method = "eth_getTransactionReceipt"
        if not isinstance(found, dict):
            raise self._node.unusable(method, found, "a receipt")
        if [str(found.get(name)).lower() for name in ("transactionHash", "from")] != [digest, self._account.address.lower()]:
            raise Unusable(f"{self._node.shown} answers {method} with the receipt of another transaction: use another node")
        block = self._node.number(method, found["blockNumber"])
        status, gas = (None if found.get(name) is None else self._node.number(method, found[name]) for name in ("status", "gasUsed"))
        logs = found.get("logs")
        return Receipt(block, None if status is None else status == 1, gas, logs if isinstance(logs, list) else None)


def _pause(waited: float) -> None:
    """Sleeps before the next look, the longer the longer it was waited for."""
    time.sleep(max(POLL, min(waited / 10, SLOWEST_POLL)))


def _does_the_same(mined: dict[str, Any], pending: Pending) -> bool:
    """Whether a transaction in a block sends the message of one of ours."""
    to, data, value = (str(found).lower() for found in (mined.get("to"), mined.get("input", mined.get("data")), mined.get("value")))
    ours = pending.fields
    return (to, data, value) == (ours["to"].lower(), ours["data"].lower(), hex(ours["value"]))


class _Replaced(errors.TransactionFailed):
    """Another transaction used the nonce."""


class LostRace(_Replaced):
    """It did so before any node took ours."""
