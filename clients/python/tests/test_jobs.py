"""Waiting for jobs."""

import pytest

from tribute import errors, jobs
from tribute._proto.tribute.v1 import job_pb2
from tribute.jobs import Job


class Away:
    """A service that is away for some calls, and then says that the job has succeeded."""

    progress = False

    def __init__(self, problems):
        self.problems = problems

    def _call(self, method, request):
        if self.problems:
            raise self.problems.pop()
        message = job_pb2.Job(id="1", state=job_pb2.JOB_STATE_SUCCEEDED)
        message.outcome.calibrate.k = 14
        return message

    def _stream(self, method, request):
        yield from ()  # broken off


def waiting(problems):
    return Job(Away(problems), job_pb2.Job(id="1", state=job_pb2.JOB_STATE_RUNNING))


def test_a_service_that_is_restarted_is_waited_for(monkeypatch):
    monkeypatch.setattr(jobs, "PAUSE", 0.0)
    problems = [errors.Unreachable("nothing answers"), errors.StorageUnavailable("the database does not answer"), errors.Busy("full")]
    assert waiting(problems).result().k == 14


def test_patience_ends_and_a_refusal_is_final(monkeypatch):
    monkeypatch.setattr(jobs, "PAUSE", 0.0)
    monkeypatch.setattr(jobs, "PATIENCE", 0.0)
    with pytest.raises(errors.Unreachable):
        waiting([errors.Unreachable("nothing answers") for _ in range(10_000)]).result()
    monkeypatch.setattr(jobs, "PATIENCE", 300.0)
    with pytest.raises(errors.NotAllowed):
        waiting([errors.NotAllowed("not yours")]).result()
