"""The service's methods, by name."""

from __future__ import annotations

from typing import Any

from ._proto.tribute.v1 import (
    agent_service_pb2,
    circuit_service_pb2,
    dataset_service_pb2,
    job_service_pb2,
    login_service_pb2,
    server_service_pb2,
    session_service_pb2,
)

_SERVICES = {
    name: service
    for module in (
        agent_service_pb2,
        circuit_service_pb2,
        dataset_service_pb2,
        job_service_pb2,
        login_service_pb2,
        server_service_pb2,
        session_service_pb2,
    )
    for name, service in module.DESCRIPTOR.services_by_name.items()
}


def encoded(method: str, request: Any) -> tuple[str, Any, bytes]:
    """Path, descriptor and bytes of a call."""
    service, name = method.split("/")
    described = _SERVICES[service].methods_by_name[name]
    assert described.input_type is request.DESCRIPTOR, method
    return f"/tribute.v1.{method}", described, request.SerializeToString(deterministic=True)
