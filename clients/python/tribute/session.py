"""Prepaid sessions: query a certified agent, check every answer and sign a voucher for it."""

from __future__ import annotations

import json
import os
import secrets
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

import numpy as np
import numpy.typing as npt

from . import errors
from ._encoding import bytes_of
from ._proto.tribute.v1 import session_pb2, session_service_pb2
from ._stream import QueryStream
from .client import Client
from .extract import Extractor
from .receipts import Voucher, extend, first_transcript
from .schema import Schema

if TYPE_CHECKING:
    from .chain import Chain

UNVOUCHED = "the server has {0} answers of session {1}, but {2} does not exist: that file holds the transcript"


@dataclass
class Session:
    """The client's side of a session.

    The client keeps its own transcript in `file` and rejects any answer that does not extend it. Each query is saved before it
    is sent: after a crash it is resent unchanged, and counted only once.

    Parameters
    ----------
    client : Client
        A connection with the session key.
    session : bytes or str
        Id of the session in the escrow contract.
    file : path
        Stores the transcript and the latest voucher. A session cannot be continued without this file.
    extractor : Extractor, optional
        The model that the agent's schema pins, to ask with raw inputs. It runs here, so that the receipt is of features that this
        client computed itself.
    chain : Chain, optional
        The session's agent and its schema, as the server tells them, are compared with what the chain says.
    certificate : bytes, optional
        The agent's certificate file, to compare with; its proofs are checked by :func:`tribute.verify`.
    schema : Schema, optional
        The agent's schema, to compare with.

    Raises
    ------
    errors.ChainDiffers
        The server says something else of the session than one of these, or than when the session began: do not ask it. If none is
        given, a warning says that nothing was compared: by the schema queries are quantised and answers named.
    """

    client: Client
    session: bytes
    file: Path
    schema: Schema = field(init=False)
    answers: list[dict[str, Any]] = field(default_factory=list, init=False)
    voucher: Voucher | None = field(default=None, init=False)

    def __init__(
        self,
        client: Client,
        session: bytes | str,
        file: str | os.PathLike[str],
        *,
        extractor: Extractor | None = None,
        chain: Chain | None = None,
        certificate: bytes | None = None,
        schema: Schema | None = None,
    ):
        self.client = client
        self.extractor = extractor
        self.session = bytes_of(session)
        self.file = Path(file)
        self.answers, self.voucher = [], None
        self._pending: dict[str, Any] | None = None
        self._stream: QueryStream | None = None
        found = client._call("SessionService/GetSession", session_service_pb2.GetSessionRequest(session=self.session))
        if found.id != self.session:
            raise _differs("the request", "session", found.id, self.session)
        self.schema = Schema(found.schema_json.decode())
        self.version, self.weights_digest = found.version, found.weights_digest
        self.price = int(found.price)
        self._chain_id, self._escrow = found.context.chain_id, found.context.contract
        self.transcript = first_transcript(
            self._chain_id, self._escrow, self.session, self.version, self.weights_digest
        )
        if self.file.exists():
            self._load()
        elif found.count:
            raise errors.BadField(UNVOUCHED.format(found.count, f"0x{self.session.hex()}", self.file))
        told = {
            "schema": self.schema.id,
            "agent": found.agent_id,
            "version": found.version,
            "digest of the weights": found.weights_digest,
            "chain": found.context.chain_id,
            "escrow contract": found.context.contract,
        }
        known: list[tuple[str, dict[str, Any]]] = []
        if chain is not None:
            known.append(("the chain", chain._told(self.session)))
        if certificate is not None:
            stated = json.loads(certificate)
            agent = stated["agent"]
            of_file = {
                "schema": Schema(stated["schema"]).id,
                "agent": bytes_of(agent["id"]),
                "version": agent["version"],
                "digest of the weights": bytes_of(agent["weights_digest"]),
            }
            known.append(("the certificate", of_file))
        if schema is not None:
            known.append(("the schema given", {"schema": schema.id}))
        for source, values in known:
            for what, value in values.items():
                if told[what] != value:
                    raise _differs(source, what, told[what], value)
        if not known:
            warnings.warn(
                "the server's schema was compared with nothing: give the session a chain, a certificate or a schema", stacklevel=2
            )

    @property
    def scores(self) -> dict[str, float] | None:
        """Of the last answer, for each class what the agent's link makes of its logit: probabilities, or values of the squared link.

        None before the first answer, and unless the agent's owner shows them. The proof covers the answer, not these: scores
        that do not belong to the answer are dropped with a warning.
        """
        found = self.answers[-1].get("scores") if self.answers else None
        return dict(zip(self.schema.classes or [], found)) if found else None

    @property
    def count(self) -> int:
        """Number of answers so far."""
        return len(self.answers)

    def ask(self, query: npt.ArrayLike | str, *, clamped: bool = False) -> str:
        """Sends a query and returns the label of the answer.

        Parameters
        ----------
        query : array_like of shape (features,), or raw input
            Features in the schema's own units, a row of a DataFrame too; or what the extractor takes, such as a text, if the agent's
            schema pins one.
        clamped : bool
            Whether features outside the schema's ranges may be moved to their ends. Those that the extractor computes, whose unit cannot
            be mistaken, always are.

        Raises
        ------
        errors.BadQuery
            The query does not fit the schema, or a feature is outside its range. Nothing was sent.
        errors.ForkedTranscript
            The answer does not extend this client's transcript: no voucher was signed for it.
        """
        self.resume()
        features: npt.NDArray[Any]
        if self.extractor is not None:
            features = self.extractor.query(self.schema, query)
        elif isinstance(query, str):
            pinned = self.schema.extractor
            wanted = f"an Extractor of the file with SHA-256 {pinned.hex()}" if pinned else "numbers"
            raise errors.BadQuery(f"the query is a text, but the agent takes features: give the session {wanted}")
        else:
            features = self.schema.in_order(query)
        quantised = self.schema.quantise(features)
        if quantised.ndim != 1:
            raise errors.BadQuery(f"the query has shape {quantised.shape}: ask record by record")
        if self.extractor is None and not clamped:
            self.schema._inside(features)
        steps = quantised.tobytes()
        self._pending = {"features": steps.hex(), "salt": secrets.randbits(248)}
        self._save()
        return self._send()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Sends the queries that are asked inside over one stream, which takes less time when there are many::

            with session.stream():
                labels = [session.ask(row) for row in rows]
        """
        self._stream = self.client._queries()
        try:
            yield
        finally:
            self._stream.close()
            self._stream = None

    def resume(self) -> str | None:
        """Resends the pending query, whose answer was lost in transit, if there is one."""
        return self._send() if self._pending else None

    def submit_voucher(self) -> None:
        """Sends the latest voucher without a query, so that the last answer is covered too."""
        if self.voucher:
            request = session_service_pb2.SubmitVoucherRequest(voucher=_message(self.voucher))
            self.client._call("SessionService/SubmitVoucher", request)

    def _send(self) -> str:
        assert self._pending is not None
        query, salt = bytes.fromhex(self._pending["features"]), self._pending["salt"]
        request = session_service_pb2.QueryRequest(
            session=self.session,
            quantised=query,
            salt=salt.to_bytes(32, "big"),
            position=self.count,
            voucher=_message(self.voucher) if self.voucher else None,
        )
        if self._stream:
            answer = self._stream.exchange(request)
        else:
            answer = self.client._call("SessionService/Query", request)
        after = extend(self.transcript, query, salt, answer.answer)
        if answer.transcript != after.to_bytes(32, "big") or answer.position != self.count + 1:
            raise errors.ForkedTranscript(
                f"the server's transcript after {self.count + 1} answers is not this client's: do not pay for it"
            )
        labels = self.schema.classes
        if labels and answer.answer >= len(labels):
            raise errors.Internal(f"the server answers class {answer.answer}, the schema has {len(labels)}")
        label = labels[answer.answer] if labels else str(answer.answer)
        given = {**self._pending, "answer": answer.answer, "label": label}
        scores = list(answer.scores)
        if scores and not _belong(scores, answer.answer, self.schema):
            warnings.warn(f"the scores beside answer {self.count + 1} do not belong to it: they are dropped", stacklevel=3)
            scores = []
        self.answers.append(given | {"scores": scores} if scores else given)
        self.transcript, self._pending = after, None
        self.voucher = Voucher.sign(
            self.client.account,
            self._chain_id,
            f"0x{self._escrow.hex()}",
            self.session,
            self.version,
            self.count,
            self.transcript,
        )
        self._save()
        return label

    def _save(self) -> None:
        state = {
            "session": self.session.hex(),
            "schema": self.schema.id.hex(),
            "answers": self.answers,
            "pending": self._pending,
            "signature": self.voucher.signature.hex() if self.voucher else None,
        }
        written = self.file.with_name(self.file.name + ".part")
        with open(written, "w") as out:
            json.dump(state, out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(written, self.file)

    def _load(self) -> None:
        state = json.loads(self.file.read_text())
        if bytes.fromhex(state["session"]) != self.session:
            raise errors.BadField(f"{self.file} is of session 0x{state['session']}")
        if bytes.fromhex(state["schema"]) != self.schema.id:
            raise _differs(str(self.file), "schema", self.schema.id, bytes.fromhex(state["schema"]))
        for answer in state["answers"]:
            query = bytes.fromhex(answer["features"])
            self.transcript = extend(self.transcript, query, answer["salt"], answer["answer"])
        self.answers, self._pending = state["answers"], state["pending"]
        if state["signature"]:
            signature = bytes.fromhex(state["signature"])
            self.voucher = Voucher(self.session, self.version, self.count, self.transcript, signature)


def _belong(scores: list[float], answer: int, schema: Schema) -> bool:
    """Whether scores can be those of an answer: one finite number for each class, none larger than the answered one's."""
    classes = schema.classes
    if len(scores) != (len(classes) if classes else 1) or not np.isfinite(scores).all():
        return False
    return not classes or (answer < len(scores) and max(scores) <= scores[answer])


def _differs(source: str, what: str, server: Any, expected: Any) -> errors.TributeError:
    def text(value: Any) -> str:
        return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)

    return errors.ChainDiffers(
        f"the server says that the session's {what} is {text(server)}, but {source} says {text(expected)}: do not ask it"
    )


def _message(voucher: Voucher) -> session_pb2.Voucher:
    return session_pb2.Voucher(
        session=voucher.session,
        version=voucher.version,
        count=voucher.count,
        transcript=voucher.transcript.to_bytes(32, "big"),
        signature=voucher.signature,
    )
