"""Tribute's contracts through web3.py: the transactions of clients and of agents' owners."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from itertools import product
from typing import Any, Iterable

from eth_abi.exceptions import DecodingError
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3 import Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import BadFunctionCallOutput, ContractLogicError, Web3Exception, Web3RPCError
from web3.types import Nonce, TxParams, Wei

from . import errors, keys
from ._encoding import address_of, bytes_of
from ._node import Node, Refused, is_hex
from ._proto.tribute.v1 import circuit_service_pb2, common_pb2
from ._refusal import refusal
from ._sending import NONCE_RACES, LostRace, Receipt, Sender
from .client import Client
from .schema import Schema
from .types import LAMBDA_UNIT, Agent, Claim, Dataset, Proofs

SKIPPED = {
    1: "there is no such session",
    2: "it is of another agent or version",
    3: "the proof does not start at its transcript: was it already claimed?",
    4: "the proof has no answers of it",
    5: "the voucher's count is not the number of answers proven",
    6: "the proof does not end at the voucher's transcript",
    7: "the voucher is not signed by the session's key",
}
"""The contract's reasons for paying nothing for a session."""
LINKS = {"squared": 1, "logistic": 2, "softmax": 3}
DRAFT, CLOSED, CERTIFIED = 1, 2, 3
"""The contract's statuses of a version that can be gone on with, the furthest last."""
CIRCUITS = ("gradientCircuitId", "optimumCircuitId", "serviceCircuitId")
TERMS = ("lambda", "link", "dataBps", "pricePerQuery", "wDigest", *CIRCUITS, "modelHash")
"""What a version's entry has of its parameters, in their order, without the layout, to which the circuits belong."""
DATASETS_TO_A_TRANSACTION = 64
GRADIENTS_TO_A_TRANSACTION = 16


def abi(contract: str) -> list[dict[str, Any]]:
    """The ABI of a contract, such as ``SessionEscrow``."""
    return json.loads(files("tribute").joinpath("_abi", f"{contract}.json").read_text())


@dataclass(frozen=True)
class Sent:
    """A transaction that was mined and did not revert."""

    hash: str
    block: int
    gas: int
    events: list[Any]


class Chain:
    """A node of the chain that a service uses, and the account that pays for transactions.

    Parameters
    ----------
    rpc : str
        The node's JSON-RPC address. The environment variable ``TRIBUTE_RPC_CA`` names a PEM file of certificate authorities that are
        trusted beside the usual ones.
    client : Client
        Determines the chain and the contracts.
    key : LocalAccount or str or path, optional
        By default the client's account; see :class:`Client`.

    Raises
    ------
    errors.ChainUnavailable
        `rpc` is no address of HTTP, no node answers there, it wants a key, or it limits requests for longer than a minute. Every
        method may raise it.
    errors.ChainDiffers
        It serves a different chain than the service uses, or has none of its contracts.
    """

    def __init__(self, rpc: str, client: Client, key: LocalAccount | str | os.PathLike[str] | None = None):
        self.client = client
        self.account = client.account if key is None else keys.account(key)
        node = Node(rpc)
        self.web3 = Web3(node)
        if not client.info.chain_id:
            raise errors.ChainUnavailable("the service runs without a chain")
        served = self._chain_id = node.ask_number("eth_chainId", [])
        if served != client.info.chain_id:
            raise errors.ChainDiffers(
                f"{node.shown} serves chain {served}, the service works with chain {client.info.chain_id}"
            )
        self._sender = Sender(node, self.account, served)
        self.escrow = self._contract("SessionEscrow", client.info.session_escrow)
        self.agents = self._contract("AgentRegistry", client.info.agent_registry)
        self.datasets = self._contract("DatasetRegistry", client.info.dataset_registry)
        self._errors = _selectors(
            entry
            for contract in ("SessionEscrow", "AgreedWeights", "AgentRegistry", "DatasetRegistry", "ProofGate", "TestToken")
            for entry in abi(contract)
        )
        self.weights = self._contract("AgreedWeights", bytes.fromhex(self._read(self.escrow.functions.agreedWeights())[2:]))
        self.token = self._contract("TestToken", bytes.fromhex(self._read(self.escrow.functions.token())[2:]))

    def _contract(self, name: str, address: bytes) -> Any:
        return self.web3.eth.contract(address=Web3.to_checksum_address(address), abi=abi(name))

    def send(self, call: ContractFunction, event: Any = None) -> Sent:
        """Sends a call and waits until it is mined. If an `event`, or several, are given, one of them must be in its receipt.

        Raises
        ------
        errors.Reverted
            The contract would revert; nothing was sent. The message names its error.
        errors.TransactionFailed
            The transaction could not be paid for, reverted when it was mined, was not mined within two minutes, its receipt has none of
            the events, or another one used its nonce. The message tells if it may still be mined, or was; then the same call, made
            before any other, goes on with it, and sends no second one.
        """
        to, data = self._message(call)
        kinds = [event] if callable(event) else event or ()

        def lacks(digest: str, receipt: Receipt) -> str:
            found = not kinds or _events(kinds, digest, receipt)
            return "" if found else f"event {' or '.join(kind.event_name for kind in kinds)}"

        for race in range(NONCE_RACES + 1):
            try:
                digest, receipt = self._sender.send(call.fn_name, to, data, lambda: self._gas(call), lacks)
                break
            except LostRace:
                if race == NONCE_RACES:
                    raise
        if not receipt.succeeded:
            raise errors.TransactionFailed(f"{call.fn_name}: transaction {digest} reverted")
        return Sent(digest, receipt.block, receipt.gas or 0, _events(kinds, digest, receipt))

    def _gas(self, call: ContractFunction) -> int:
        """What a call would use now; raises as :meth:`send` if it would revert or cannot be paid for."""
        sender = self.account.address
        try:
            return call.estimate_gas({"from": sender})
        except (ContractLogicError, Web3RPCError) as refused:
            raise errors.Reverted(f"{call.fn_name}: {self._named(refused)}") from None
        except Refused as refused:
            if refusal(refused.words) != "unfunded":
                raise
            raise errors.TransactionFailed(f"{call.fn_name}: {sender} cannot pay for it ({refused.words})") from None

    def _message(self, call: ContractFunction) -> tuple[str, str]:
        """The address that a call goes to, and its data."""
        # nothing that web3.py would ask the node for
        given: TxParams = {"from": self.account.address, "gas": 0, "gasPrice": Wei(0), "nonce": Nonce(0), "chainId": self._chain_id}
        return call.address, HexBytes(call.build_transaction(given)["data"]).to_0x_hex()

    def _read(self, call: ContractFunction) -> Any:
        """The result of a view."""
        try:
            return call.call()
        except (ContractLogicError, Web3RPCError) as refused:
            raise errors.Reverted(f"{call.fn_name}: {self._named(refused)}") from None
        except BadFunctionCallOutput:
            raise errors.ChainDiffers(
                f"{call.fn_name}: there is no contract of this kind at {call.address}: the chain was reset, or is another one"
            ) from None

    def _named(self, refused: ContractLogicError | Web3RPCError) -> str:
        """A contract's own error by its name; other reverts in the node's words."""
        data = refused.data if isinstance(refused, ContractLogicError) else None
        found = self._errors.get(data[:10]) if isinstance(data, str) else None
        return found or refused.message or (data if isinstance(data, str) and data != "0x" else "it reverts without a reason")

    # clients

    def open_session(
        self, agent_id: bytes | str, *, version: int, price: int, escrow: int, session_key: str | None = None
    ) -> bytes:
        """Opens a prepaid session and returns its id.

        Parameters
        ----------
        price, escrow : int
            Price of one query and total for all queries, in the token's smallest unit.
        session_key : str, optional
            Address of the key that signs vouchers; by default the account's own.

        Raises
        ------
        ValueError
            `session_key` is no address, or its checksum is wrong.
        """
        key = self.account.address if session_key is None else Web3.to_checksum_address(address_of(session_key))
        call = self.escrow.functions.open((bytes_of(agent_id), version, price, escrow, key))
        # one that an earlier call left may have used the allowance; another approval would have it forgotten, and a second session opened
        if not self._sender.unsettled(*self._message(call)):
            approval = self.token.functions.approve(self.escrow.address, escrow)
            if self._read(self.token.functions.allowance(self.account.address, self.escrow.address)) < escrow:
                self.send(approval)
            else:
                self._sender.forget(*self._message(approval))
        return self.send(call, self.escrow.events.SessionOpened).events[0]["args"]["session"]

    def thaw(self, session: bytes | str, amount: int = 0) -> int:
        """Requests a session's remaining escrow, or part of it, back; returns the Unix time from which it can be withdrawn."""
        call = self.escrow.functions.requestThaw(bytes_of(session), amount or self._left(session))
        return self.send(call, self.escrow.events.ThawRequested).events[0]["args"]["thawEnd"]

    def _left(self, session: bytes | str) -> int:
        return self._session(session)["remaining"]

    def _session(self, session: bytes | str) -> dict[str, Any]:
        return _fields("SessionEscrow", "getSession", self._read(self.escrow.functions.getSession(bytes_of(session))))

    def _told(self, session: bytes) -> dict[str, Any]:
        """What the chain says of a session, its agent and that agent's schema."""
        opened = self._session(session)
        found = self._read(self.agents.functions.getVersion(opened["agentId"], opened["version"]))
        version = _fields("AgentRegistry", "getVersion", found)
        return {
            "schema": version["schemaId"],
            "agent": opened["agentId"],
            "version": opened["version"],
            "digest of the weights": version["wDigest"],
            "chain": self._chain_id,
            "escrow contract": bytes.fromhex(self.escrow.address[2:]),
        }

    def refund(self, session: bytes | str) -> int:
        """Withdraws the thawed escrow; returns the amount."""
        call = self.escrow.functions.withdrawThawed(bytes_of(session))
        return self.send(call, self.escrow.events.ThawedWithdrawn).events[0]["args"]["amount"]

    # owners

    def dataset(self, dataset: bytes | str, schema: Schema) -> Dataset:
        """A registered dataset of any owner.

        The chain stores only the digest of its schema. The schema itself comes from its provider and is checked against that digest.
        """
        dataset = bytes_of(dataset)
        found = _fields("DatasetRegistry", "dataset", self._read(self.datasets.functions.dataset(dataset)))
        if found["schemaId"] != schema.id:
            raise errors.SchemaMismatch(
                f"dataset 0x{dataset.hex()} has schema 0x{found['schemaId'].hex()}, not {schema.name!r} (0x{schema.id.hex()})"
            )
        shards = self._read(self.datasets.functions.shardDigests(dataset))
        return Dataset(dataset, found["owner"], found["records"], schema, len(shards))

    def create_agent(self, name: str, metadata: str = "") -> bytes:
        """Creates an agent and returns its id."""
        call = self.agents.functions.createAgent(_name(name), metadata)
        return self.send(call, self.agents.events.AgentCreated).events[0]["args"]["agentId"]

    def propose(
        self,
        agent_id: bytes | str,
        agent: Agent,
        *,
        data_part: float = 0.5,
        price: int = 0,
    ) -> int:
        """Proposes a version with an agent's weights, lists its datasets and closes the list; returns the version number.

        Parameters
        ----------
        data_part : float
            Part of each fee that goes to the datasets, 0 to 1.
        price : int
            Minimum price of a query, in the token's smallest unit.

        Raises
        ------
        errors.Reverted
            A dataset's terms are not met, a grant is missing, or a circuit is not registered.
        """
        agent_id, params = bytes_of(agent_id), self._params(agent, data_part, price)
        call = self.agents.functions.propose(agent_id, params)
        version = self.send(call, self.agents.events.VersionProposed).events[0]["args"]["version"]
        self._list(agent_id, version, agent.datasets)
        return version

    def publish(self, name: str, agent: Agent, *, data_part: float = 0.5, price: int = 0) -> tuple[bytes, int]:
        """Creates an agent, and proposes a version of it as :meth:`propose` does; returns its id and the version number.

        Repeated, also by another process, it goes on with what there is: an agent that this account created under this name, and its
        version with the same weights, list of datasets and terms, which this account proposed or which is certified; of several, the
        one that got furthest. Without one, it takes an agent of this name that has no version at all and is offered to nobody.

        Raises
        ------
        errors.TransactionFailed
            As :meth:`send`, or if a transaction that another process of this account sent before is not mined within two minutes.
        """
        params = self._params(agent, data_part, price)
        self._sender.wait_for_others()
        agent_id, version, entry = self._begun(_name(name), params, agent.datasets)
        if agent_id is None:
            agent_id = self.create_agent(name)
        if version is None:
            return agent_id, self.propose(agent_id, agent, data_part=data_part, price=price)
        if entry["status"] == DRAFT:
            self._list(agent_id, version, agent.datasets[entry["datasets"] :])
        return agent_id, version

    def _begun(
        self, name: bytes, params: tuple[Any, ...], datasets: list[bytes]
    ) -> tuple[bytes | None, int | None, dict[str, Any]]:
        """The account's agent of a name that has a version with these parameters and datasets, the version's number and its entry: of
        several the one with the highest status, and of these the latest. Without one, the latest agent without versions that is
        offered to nobody. A draft may lack the last of the datasets."""
        f, account = self.agents.functions, self.account.address
        empty: bytes | None = None
        furthest: tuple[bytes, int, dict[str, Any]] | None = None
        for n in reversed(range(self._read(f.agentCount(account)))):
            agent_id = self._read(f.agentIdOf(account, n))
            if self._read(f.agentName(agent_id)) != name or self._read(f.agentOwner(agent_id)) != account:
                continue
            versions = self._read(f.versionCount(agent_id))
            if not (versions or empty or self._read(f.agentMetadata(agent_id)) or int(self._read(f.offeredTo(agent_id)), 16)):
                empty = agent_id
            for version in range(versions, 0, -1):
                entry = _fields("AgentRegistry", "getVersion", self._read(f.getVersion(agent_id, version)))
                if not _continues(entry, params, datasets, account):
                    continue
                if entry["status"] == CERTIFIED:
                    return agent_id, version, entry
                if furthest is None or entry["status"] > furthest[2]["status"]:
                    furthest = agent_id, version, entry
        return furthest or (empty, None, {})

    def _list(self, agent_id: bytes, version: int, datasets: list[bytes]) -> None:
        """Lists datasets in a draft, and closes it."""
        f = self.agents.functions
        for start in range(0, len(datasets), DATASETS_TO_A_TRANSACTION):
            self.send(f.addDatasets(agent_id, version, datasets[start : start + DATASETS_TO_A_TRANSACTION]))
        self.send(f.close(agent_id, version))

    def _params(self, agent: Agent, data_part: float, price: int) -> tuple[Any, ...]:
        """The parameters of a version, as the registry's `VersionParams`."""
        classes = agent.schema.classes
        if classes is None:
            raise ValueError("the agent predicts a number: only classifiers are certified on chain")
        circuits = self._circuits(agent)
        profile = agent.profile
        layout = (
            profile.k,
            profile.columns,
            len(agent.schema.features),
            len(classes),
            0,
            64 if profile.k < 13 else 1024,
            profile.intercept_scale,
        )
        return (
            layout,
            round(agent.penalty / LAMBDA_UNIT),
            LINKS[agent.link],
            round(data_part * 10_000),
            price,
            agent.weights_digest,
            circuits["gradient"],
            circuits["optimum"],
            circuits["service"],
            agent.model_sha256,
        )

    def _circuits(self, agent: Agent) -> dict[str, bytes]:
        request = circuit_service_pb2.ListCircuitsRequest(
            schema_json=agent.schema.canonical.encode(),
            profile=agent.profile,
            link=f"LINK_{agent.link.upper()}",
        )
        found = self.client._call("CircuitService/ListCircuits", request)
        names = {c.shape.statement: c.circuit_id for c in found.ready}
        by_name = {common_pb2.Statement.Name(n).removeprefix("STATEMENT_").lower(): c for n, c in names.items()}
        missing = {"gradient", "optimum", "service"} - by_name.keys()
        if missing:
            raise errors.NotReady(f"the service has no {min(missing)} circuit for this schema: `tribute circuits add`")
        return by_name

    def certify(self, agent_id: bytes | str, version: int, proofs: "Proofs") -> int:
        """Submits the proofs of the gradients that are still missing and of the optimum; returns the gas used.

        The last gradients and the optimum go in one transaction, which costs less: the chain checks their pairings together.
        """
        agent_id, f, gas = bytes_of(agent_id), self.agents.functions, 0
        places = {}
        for dataset in proofs.datasets:
            for shard, digest in enumerate(self._read(self.datasets.functions.shardDigests(dataset))):
                places[digest] = (dataset, shard)
        wanted = []
        for proof in proofs.gradients:
            dataset, shard = places[proof.groups[0]]
            if not self._read(f.gradientAdded(agent_id, version, dataset, shard)):
                wanted.append((dataset, shard, _words(proof), proof.proof))
        while len(wanted) > GRADIENTS_TO_A_TRANSACTION:
            gas += self.send(f.addGradients(agent_id, version, wanted[:GRADIENTS_TO_A_TRANSACTION])).gas
            wanted = wanted[GRADIENTS_TO_A_TRANSACTION:]
        optimum = (_words(proofs.optimum), proofs.optimum.proof)
        last = f.addGradientsAndCertify(agent_id, version, wanted, *optimum) if wanted else f.certify(agent_id, version, *optimum)
        return gas + self.send(last).gas

    def claim(self, *claims: Claim) -> int:
        """Has the fees of proven answers paid out to the agent's owner and the datasets; returns the sum.

        Anybody may send a claim, because its payees are fixed. They withdraw what they earned by :meth:`withdraw`.

        Raises
        ------
        errors.TransactionFailed
            The contract skipped a session, for example because it was claimed before; the others are paid.
        """
        batches = [
            (
                claim.agent_id,
                claim.version,
                _words(claim.proof),
                claim.proof.proof,
                [(v.session, v.count, int.from_bytes(v.transcript, "big"), v.signature) for v in claim.vouchers],
            )
            for claim in claims
        ]
        events = self.escrow.events
        sent = self.send(self.escrow.functions.claim(batches), (events.QueriesClaimed, events.SlotSkipped))
        for skipped in sent.events:
            if skipped["event"] == "SlotSkipped":
                args = skipped["args"]
                raise errors.TransactionFailed(f"session 0x{args['session'].hex()} was skipped: {SKIPPED.get(args['reason'], 'unknown')}")
        return sum(e["args"]["amount"] for e in sent.events)

    def withdraw(self, agent_id: bytes | str, version: int, dataset: bytes | str | None = None) -> int:
        """Withdraws what an agent's owner, or a dataset, earned with a version; returns the amount."""
        agent_id, f = bytes_of(agent_id), self.escrow.functions
        before = self._read(self.token.functions.balanceOf(self.account.address))
        self.send(f.withdrawOwner(agent_id, version) if dataset is None else f.withdrawProvider(agent_id, version, bytes_of(dataset)))
        return self._read(self.token.functions.balanceOf(self.account.address)) - before

    def paid_part(self, agent_id: bytes | str, version: int, dataset: bytes | str) -> Fraction:
        """The part of a certified version's next data fees that a dataset earns: by the weights that all the datasets' owners
        agreed on, or else its share."""
        call = self.weights.functions.weightOf(bytes_of(agent_id), version, bytes_of(dataset))
        weight, total = self._read(call)
        return Fraction(weight, total)

    def is_certified(self, agent_id: bytes | str, version: int) -> bool:
        """Whether a version is certified."""
        return self._read(self.agents.functions.isCertified(bytes_of(agent_id), version))


def _name(name: str) -> bytes:
    encoded = name.encode()
    if len(encoded) > 32:
        raise ValueError(f"the name {name!r} has more than 32 bytes")
    return encoded.ljust(32, b"\0")


def _events(kinds: Iterable[Any], digest: str, receipt: Receipt) -> list[Any]:
    """The contracts' events of these kinds in a transaction's receipt, without those that the node does not give whole."""
    found = []
    for kind, log in product(kinds, receipt.logs or ()):
        topics = log.get("topics") if isinstance(log, dict) else None
        if not isinstance(topics, list) or not all(map(is_hex, (log.get("address"), log.get("data"), *topics))):
            continue
        if log["address"].lower() != kind.address.lower():
            continue
        known = {"transactionHash": HexBytes(digest), "blockNumber": receipt.block}
        try:
            found.append(kind().process_log(dict.fromkeys(("logIndex", "transactionIndex", "blockHash")) | log | known))
        except (Web3Exception, DecodingError, ValueError, TypeError):
            continue
    return found


def _continues(entry: dict[str, Any], params: tuple[Any, ...], datasets: list[bytes], account: str) -> bool:
    """Whether a version has these parameters and lists these datasets, or is a draft that lists the first of them. Unless it is
    certified, the account must have proposed it: an earlier owner's can be gone on with by nobody else."""
    listed, digest = entry["datasets"], bytes(32)
    for dataset in datasets[:listed]:
        digest = bytes(Web3.keccak(digest + dataset))
    whole = entry["status"] in (CLOSED, CERTIFIED) and listed == len(datasets)
    same = digest == entry["listHash"] and all(entry[field] == value for field, value in zip(TERMS, params[1:], strict=True))
    own = entry["status"] == CERTIFIED or entry["owner"] == account
    return same and own and (whole or entry["status"] == DRAFT)


def _fields(contract: str, function: str, values: Any) -> dict[str, Any]:
    """A struct returned by a function, as a dict keyed by field names."""
    entry = next(f for f in abi(contract) if f["type"] == "function" and f["name"] == function)
    return dict(zip((field["name"] for field in entry["outputs"][0]["components"]), values))


def _words(proof: common_pb2.Proof) -> list[int]:
    return [int.from_bytes(word, "big") for word in proof.inputs]


def _selectors(abis: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Error names by selector."""
    found = {}
    for entry in abis:
        if entry["type"] == "error":
            signature = f"{entry['name']}({','.join(_type(i) for i in entry['inputs'])})"
            found[Web3.keccak(text=signature)[:4].to_0x_hex()] = entry["name"]
    return found


def _type(parameter: dict[str, Any]) -> str:
    if parameter["type"].startswith("tuple"):
        inner = ",".join(_type(c) for c in parameter["components"])
        return f"({inner}){parameter['type'].removeprefix('tuple')}"
    return parameter["type"]
