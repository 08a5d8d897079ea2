"""Jobs: work that takes longer than a call."""

from __future__ import annotations

import time
from typing import Any, Callable, Iterator, Protocol

from tqdm.auto import tqdm

from . import errors
from ._proto.tribute.v1 import job_pb2, job_service_pb2

ENDED = (job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED)
"""Final states of a job."""
AWAY = (errors.Unreachable, errors.Busy, errors.StorageUnavailable)
"""Errors of a service that will answer again."""
PATIENCE = 300.0
"""How long it may be away, seconds."""
PAUSE = 0.5
"""Pause between two attempts, seconds."""


class Caller(Protocol):
    """What a job needs of the client that it belongs to."""

    progress: bool

    def _call(self, method: str, request: Any) -> Any: ...

    def _stream(self, method: str, request: Any) -> Iterator[Any]: ...


class Job:
    """A job of the service. It is durable: it keeps running whether or not a client waits for it."""

    def __init__(self, client: Caller, message: job_pb2.Job):
        self._client = client
        self._message = message

    @property
    def id(self) -> str:
        return self._message.id

    @property
    def kind(self) -> str:
        """The kind of work, such as ``train`` or ``gradient``."""
        return self._message.kind

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``succeeded``, ``failed`` or ``cancelled``, as of the last refresh."""
        return job_pb2.JobState.Name(self._message.state).removeprefix("JOB_STATE_").lower()

    def __repr__(self) -> str:
        return f"Job({self.id!r}, {self.kind}, {self.state})"

    def refresh(self) -> "Job":
        """Reads the job's current state from the service."""
        self._message = self._client._call("JobService/GetJob", job_service_pb2.GetJobRequest(job=self.id))
        return self

    def cancel(self) -> "Job":
        """Cancels the job."""
        self._message = self._client._call("JobService/CancelJob", job_service_pb2.CancelJobRequest(job=self.id))
        return self

    def result(self, progress: bool | None = None) -> Any:
        """Waits until the job has ended and returns its outcome. A service that is away, as while it is restarted, is waited for.

        Parameters
        ----------
        progress : bool, optional
            Whether to show a progress bar; by default the client's `progress`.

        Raises
        ------
        TributeError
            The job's failure, as the class of its reason; `NotReady` if it was cancelled. `Unreachable`, `Busy` or `StorageUnavailable`
            if the service does not answer for five minutes.
        """
        shown = self._client.progress if progress is None else progress
        with tqdm(disable=not shown, desc=self.kind, unit="", leave=True) as bar:
            after, away = 0, None
            while self._message.state not in ENDED:
                try:
                    after = self._watch(after, _show(bar, self.kind))
                    self.refresh()
                    away = None
                except AWAY:
                    away = away or time.monotonic()
                    if time.monotonic() - away > PATIENCE:
                        raise
                    time.sleep(PAUSE)
            if self._message.state == job_pb2.JOB_STATE_SUCCEEDED and not self._message.HasField("outcome"):
                # found among several, which come without outcomes
                self.refresh()
            bar.set_description(f"{self.kind}: {self.state}")
        if self._message.state == job_pb2.JOB_STATE_FAILED:
            failure = self._message.error
            raise errors.of_reason(failure.reason, failure.message, {**failure.metadata, "job": self.id})
        if self._message.state == job_pb2.JOB_STATE_CANCELLED:
            raise errors.NotReady(f"job {self.id} was cancelled", {"job": self.id})
        outcome = self._message.outcome
        return getattr(outcome, outcome.WhichOneof("outcome"))

    def _watch(self, after: int, show: Callable[[Any], None]) -> int:
        """Handles events after number `after` until the stream ends; the caller resumes a broken stream."""
        request = job_service_pb2.WatchJobRequest(job=self.id, after=after)
        for event in self._client._stream("JobService/WatchJob", request):
            after = event.sequence
            show(event)
        return after


def _show(bar: Any, kind: str) -> Callable[[Any], None]:
    def show(event: Any) -> None:
        if event.WhichOneof("event") == "progress":
            bar.total = event.progress.total or None
            bar.n = event.progress.done
            bar.set_description(f"{kind}: {event.progress.phase}", refresh=False)
            bar.refresh()

    return show
