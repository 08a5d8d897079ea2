"""Streams of messages."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any, Iterator

import grpc

from . import errors
from ._auth import Signer
from ._proto.tribute.v1 import session_service_pb2


class QueryStream:
    """A stream of queries to a service. It opens with the first query, and again when the service has ended it."""

    PATH = "/tribute.v1.SessionService/QueryStream"

    def __init__(self, channel: grpc.Channel, signer: Signer):
        self._channel = channel
        self._signer = signer
        self._queries: SimpleQueue[bytes | None] | None = None
        self._answers: Any = None

    def exchange(self, query: session_service_pb2.QueryRequest) -> session_service_pb2.QueryResponse:
        """Sends a query and waits for its answer. A refusal ends the stream."""
        body = query.SerializeToString(deterministic=True)
        try:
            # a service that is stopping, or has waited for long, ends the stream without an answer: once, that is no error
            for _ in range(2):
                if self._queries:
                    self._queries.put(body)
                else:
                    self._open(body)
                answer = next(self._answers, None)
                if answer is not None:
                    return answer
                self.close()
        except grpc.RpcError as error:
            self.close()
            raise errors.of_call(error) from None
        raise errors.Busy("the service ends every stream of queries: it is stopping, ask again in a moment")

    def _open(self, first: bytes) -> None:
        self._queries = SimpleQueue()
        self._queries.put(first)
        answer = session_service_pb2.QueryResponse.FromString
        call: Any = self._channel.stream_stream(self.PATH, request_serializer=None, response_deserializer=answer)
        metadata = [("authorization", self._signer.signed_message(self.PATH, first))]
        self._answers = call(iter(self._queries.get, None), metadata=metadata)

    def close(self) -> None:
        """Ends the stream."""
        if self._queries:
            self._queries.put(None)
            self._answers.cancel()
        self._queries = None


def until_it_breaks(events: Any) -> Iterator[Any]:
    """The events of a stream until it ends or breaks; the caller resumes a broken stream."""
    first = next(events, None)  # a refusal is raised here

    def rest() -> Iterator[Any]:
        if first is not None:
            yield first
        try:
            yield from events
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                raise errors.of_call(error) from None

    return rest()
