"""The service's errors: one class per reason, with the operands that the service gives.

The reasons are those of ``proto/tribute/v1/errors.md``.
"""

from __future__ import annotations

from typing import Mapping

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from ._advice import in_python

DOMAIN = "tribute"


class TributeError(Exception):
    """A failed call or job.

    Attributes
    ----------
    reason : str
        Stable identifier in UPPER_SNAKE_CASE.
    message : str
        Human-readable text.
    metadata : dict of str to str
        Operands, such as the field, row or dataset.
    """

    reason = "INTERNAL"

    def __init__(self, message: str, metadata: Mapping[str, str] | None = None, reason: str | None = None):
        self.message = in_python(message)
        self.metadata = dict(metadata or {})
        if reason is not None:
            self.reason = reason
        super().__init__(f"{self.message} [{self.reason}]")


class BadField(TributeError, ValueError):
    """A field is missing or malformed."""


class BadRecord(TributeError, ValueError):
    """A record cannot be read; the message names file, row and column."""


class BadSchema(TributeError, ValueError):
    """The schema is unusable."""


class BadProfile(TributeError, ValueError):
    """No layout has this size."""


class SchemaMismatch(TributeError, ValueError):
    """Schemas or profiles differ where they must be the same."""


class BadQuery(TributeError, ValueError):
    """A query does not fit the schema."""


class BadModel(TributeError, ValueError):
    """The model has no head that can be proven."""


class NotTheOptimum(TributeError):
    """The model is not the optimum over the datasets."""


class BadSignature(TributeError):
    """The request is not signed, or not by the stated signer."""


class BadToken(TributeError):
    """The token has expired or was never issued."""


class RequestExpired(TributeError):
    """The request's deadline has passed or is too far ahead: is this machine's clock right?"""


class NonceReplayed(TributeError):
    """The request was sent before."""


class NotAllowed(TributeError, PermissionError):
    """The caller is not allowed to do this."""


class NoGrant(TributeError, PermissionError):
    """There is no grant to train on a dataset."""


class NotFound(TributeError, LookupError):
    """Nothing with that id exists that the caller may see."""


class NotReady(TributeError):
    """Something must happen first."""


class ForkedTranscript(TributeError):
    """The server's transcript is not this client's: do not pay for the answer."""


class BadVoucher(TributeError):
    """A voucher is missing, outdated, or not signed by the session key."""


class EscrowShort(TributeError):
    """The session's escrow is short: top it up."""


class EscrowThawing(TributeError):
    """The session's escrow is thawing."""


class BudgetSpent(TributeError):
    """The committed columns have been opened as often as is allowed."""


class TooLarge(TributeError):
    """A message is longer than its call allows."""


class QuotaSpent(TributeError):
    """The account has reached its quota on this server."""


class Busy(TributeError):
    """The server is busy: try again later."""


class ChainUnavailable(TributeError, ConnectionError):
    """The server runs without a chain, or the chain's node does not answer."""


class ChainDiffers(TributeError):
    """The node serves a different chain or different contracts."""


class TransactionFailed(TributeError):
    """A transaction could not be paid for or signed, or was not mined in time."""


class Reverted(TributeError):
    """A contract reverted; its error is in the metadata."""


class DeadlinePassed(TributeError, TimeoutError):
    """The job's deadline passed before it ended."""


class WorkerLost(TributeError):
    """The job's worker was lost too often."""


class ArtefactDamaged(TributeError):
    """A stored artefact is damaged."""


class StorageFailed(TributeError):
    """Writing to the disk or the database failed."""


class StorageUnavailable(TributeError):
    """The database does not answer."""


class ProofRejected(TributeError):
    """A proof was created but did not verify: nothing left the machine."""


class ToolMissing(TributeError):
    """A tool that the server needs is not installed."""


class Internal(TributeError):
    """An internal error of the server."""


class Unreachable(TributeError, ConnectionError):
    """Nothing answers at the server's address."""


def _reason(name: str) -> str:
    return "".join(f"_{c}" if c.isupper() and i else c for i, c in enumerate(name)).upper()


BY_REASON: dict[str, type[TributeError]] = {}
"""Error class by reason."""
for _class in TributeError.__subclasses__():
    _class.reason = _reason(_class.__name__)
    BY_REASON[_class.reason] = _class


def of_reason(reason: str, message: str, metadata: Mapping[str, str] | None = None) -> TributeError:
    """The error for a reason; a reason this client does not know keeps its name."""
    kind = BY_REASON.get(reason)
    return kind(message, metadata) if kind else TributeError(message, metadata, reason)


def of_call(error: grpc.RpcError) -> TributeError:
    """The error for a failed call."""
    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            return of_reason(info.reason, status.message, info.metadata)
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        return Unreachable(f"the server does not answer ({error.details()}): is `tribute serve` running there?")
    return Internal(f"{error.code().name}: {error.details()}")
