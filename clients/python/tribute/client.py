"""A connection to a Tribute service that authorizes its calls."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Sequence

import grpc
import numpy.typing as npt
from eth_account.signers.local import LocalAccount
from google.protobuf import message_factory

from . import _auth, errors, keys
from ._advice import in_python
from ._encoding import address_of, basis_points, bytes_of, id_of, model_file, packed, quantised, training_terms, weights_of
from ._methods import encoded
from ._proto.tribute.v1 import (
    agent_pb2,
    agent_service_pb2,
    common_pb2,
    dataset_pb2,
    dataset_service_pb2,
    job_service_pb2,
    server_service_pb2,
    session_pb2,
    session_service_pb2,
    upload_service_pb2,
)
from ._stream import QueryStream, until_it_breaks
from .jobs import Job
from .reading import Reading, accepted, names, options
from .report import Report, of_arrays
from .schema import Schema
from .types import LOSS_UNIT, Agent, Claim, Dataset, Evaluation, Proofs

if TYPE_CHECKING:
    from typing_extensions import Unpack

CHUNK = 1 << 18
"""Bytes per chunk of an upload."""
ALIVE = [("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 30_000), ("grpc.http2.max_pings_without_data", 0)]
"""How often a server is asked whether it lives while a call waits for it: a machine that vanished ends no connection."""


class Client:
    """A connection to a service, with the key of an account.

    Parameters
    ----------
    address : str
        ``host:port``, ``http://host:port`` or ``https://host:port``.
    key : LocalAccount or str or path
        An eth-account, the name of an environment variable that holds a private key, or the path of a keystore, whose
        password is taken from ``TRIBUTE_KEYSTORE_PASSWORD``.
    progress : bool
        Whether to print the report on records before they are committed, and to show a progress bar while waiting for a job, in
        notebooks too.
    roots : bytes, optional
        Root certificates in PEM to trust instead of the system's.

    Raises
    ------
    errors.Unreachable
        Nothing answers at `address`.
    """

    def __init__(
        self,
        address: str,
        key: LocalAccount | str | os.PathLike[str],
        *,
        progress: bool = True,
        roots: bytes | None = None,
        timeout: float = 60.0,
    ):
        self.account = keys.account(key)
        self.progress = progress
        self.timeout = timeout
        server = _auth.Server.of(address)
        if server.scheme == "https":
            self._channel = grpc.secure_channel(server.name, grpc.ssl_channel_credentials(roots), ALIVE)
        else:
            self._channel = grpc.insecure_channel(server.name, ALIVE)
        self.info = self._call("ServerService/GetServerInfo", server_service_pb2.GetServerInfoRequest())
        self._signer = _auth.Signer(self.account, server, self.info, self._call)

    def __deepcopy__(self, _: Any) -> "Client":
        return self  # an estimator's copies share its connection

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # datasets

    def infer_schema(
        self,
        table: str | os.PathLike[str],
        *,
        name: str,
        range: str = "minmax",
        real: bool = False,
        one_hot: Sequence[str | int] | str | int = (),
        **reading: Unpack[Reading],
    ) -> Schema:
        """Infers a schema from a table. The service stores only the upload, for a day.

        Parameters
        ----------
        table : path
            A CSV file, gzip-compressed or not, a Parquet file, or an Arrow file or stream.
        range : {"minmax", "standard", "quantile"}
            The range covered by a feature's 256 steps. ``standard`` is mean ± 4.5 standard deviations.
        real : bool
            Whether the label is a number to predict rather than a class.
        one_hot : sequence of str or int, or one
            Columns of categories to encode one-hot: names, or numbers from 1.
        **reading
            How to read the table, and which doubts about it to accept: see :class:`Reading`.

        Raises
        ------
        errors.BadRecord
            The report on the table, with its doubts and the arguments that accept them.
        """
        request = dataset_service_pb2.InferSchemaRequest(
            csv=self._csv(table, reading), name=name, real=real, range=range, one_hot=names(one_hot)
        )
        answer = self._call("DatasetService/InferSchema", request)
        found = Report(json.loads(answer.report_json), in_python(answer.report))
        found.settled()
        if not answer.schema_json:
            raise errors.BadRecord(found.text)
        if self.progress:
            print(found)
        return Schema(answer.schema_json.decode())

    def check(
        self,
        table: str | os.PathLike[str] | tuple[npt.ArrayLike, npt.ArrayLike],
        schema: Schema,
        **reading: Unpack[Reading],
    ) -> Report:
        """Reports what :meth:`register` would commit, and commits nothing.

        Parameters
        ----------
        table, schema, **reading
            As for :meth:`register`.

        Raises
        ------
        errors.BadRecord
            It cannot be read at all; the message names row and column.
        """
        if isinstance(table, tuple):
            features, targets = table
            return of_arrays(schema, features, targets, accepted(reading))
        return self._checked(schema, self._csv(table, reading))

    def _checked(self, schema: Schema, csv: dataset_pb2.CsvRecords) -> Report:
        request = dataset_service_pb2.CheckRecordsRequest(schema_json=schema.canonical.encode(), csv=csv)
        answer = self._call("DatasetService/CheckRecords", request)
        return Report(json.loads(answer.report_json), in_python(answer.report))

    def register(
        self,
        table: str | os.PathLike[str] | tuple[npt.ArrayLike, npt.ArrayLike],
        schema: Schema,
        *,
        open_training: bool = False,
        min_data: float = 0.0,
        min_share: float = 0.0,
        min_price: int = 0,
        intercept_scale: int = 0,
        **reading: Unpack[Reading],
    ) -> Dataset:
        """Commits records and proves the commitment. The records go to the service's machine.

        What would be committed is reported first, and printed unless the client was made with ``progress=False``; :meth:`check`
        gives that report alone.

        Parameters
        ----------
        table : path, or (features, targets)
            A CSV file, gzip-compressed or not, a Parquet file, or an Arrow file or stream; or arrays of shape (n, features) in the
            schema's own units and (n,) of labels or real values.
        open_training : bool
            Whether anyone may train on it without a grant.
        min_data, min_share : float
            Minimum part of each fee that goes to data, and minimum share of that part for this dataset, 0 to 1.
        min_price : int
            Minimum price of a query, in the token's smallest unit.
        intercept_scale : int
            The `s`, 0 to 4, of the bias's feature 2^s: a larger one penalises the intercept less. scikit-learn does not penalise
            it at all; 3 comes close. All datasets of an agent must have the same.
        **reading
            How to read the table, and which doubts about it to accept: see :class:`Reading`. ``accept=["clamped"]`` moves values
            outside the schema's ranges to their ends.

        Raises
        ------
        errors.BadRecord
            A record cannot be read, or there are doubts that were not accepted: the report tells all of them. Nothing was committed.
        """
        terms = dataset_pb2.Terms(
            open_training=open_training,
            min_data_bps=basis_points("min_data", min_data),
            min_share_bps=basis_points("min_share", min_share),
            min_price=str(min_price),
        )
        profile = common_pb2.Profile(intercept_scale=intercept_scale)
        work = dataset_pb2.DatasetWork(schema_json=schema.canonical.encode(), terms=terms, profile=profile)
        return self._committed(work, table, schema, reading)

    def extend(
        self,
        dataset: Dataset,
        table: str | os.PathLike[str] | tuple[npt.ArrayLike, npt.ArrayLike],
        **reading: Unpack[Reading],
    ) -> Dataset:
        """Adds records to a dataset and returns its next version. Only the new ones are committed and proven.

        Earlier versions, and agents trained on them, stay as they are. The next version has the same schema and terms; on chain
        it is registered by ``tribute chain extend-dataset``, and a grant covers it only if it says so.

        Parameters
        ----------
        dataset : Dataset
            The latest version, as :meth:`register`, :meth:`extend` or :meth:`dataset` returned it.
        table : path, or (features, targets)
            The further records only, as for :meth:`register`.
        **reading
            As for :meth:`register`.

        Raises
        ------
        errors.BadRecord
            As for :meth:`register`, or the dataset already has some of the records. Nothing was committed.
        errors.BadField
            The version is not the latest one.
        """
        return self._committed(dataset_pb2.DatasetWork(extends=dataset.id), table, dataset.schema, reading)

    def _committed(self, work: dataset_pb2.DatasetWork, table: Any, schema: Schema, reading: Reading) -> Dataset:
        """Reports on a table's records, and registers or adds them if no doubt is left."""
        if isinstance(table, tuple):
            features, targets = table
            found = of_arrays(schema, features, targets, accepted(reading))
        else:
            work.csv.CopyFrom(self._csv(table, reading))
            found = self._checked(schema, work.csv)
        found.settled()
        if self.progress:
            print(found)
        if isinstance(table, tuple):
            work.quantised.upload = self._upload(quantised(schema, features, targets))
        request = dataset_service_pb2.RegisterDatasetRequest(work=work)
        answer = self._call("DatasetService/RegisterDataset", request)
        return Dataset._of(Job(self, answer.job).result().dataset)

    def dataset(self, dataset: bytes | str) -> Dataset:
        """One of the caller's datasets."""
        request = dataset_service_pb2.GetDatasetRequest(id=bytes_of(dataset))
        return Dataset._of(self._call("DatasetService/GetDataset", request))

    def datasets(self) -> Iterator[Dataset]:
        """The caller's datasets, newest first."""
        request = dataset_service_pb2.ListDatasetsRequest()
        for page in self._pages("DatasetService/ListDatasets", request):
            yield from map(Dataset._of, page.datasets)

    def grant(self, dataset: Dataset | bytes | str, grantee: str, *, uses: int = 1, expiry: int = 0) -> int:
        """Lets an agent's owner train on a dataset through this service; returns the uses left."""
        request = dataset_service_pb2.GrantTrainingRequest(
            dataset_id=id_of(dataset), grantee=address_of(grantee), uses=uses, expiry=expiry
        )
        return self._call("DatasetService/GrantTraining", request).uses

    def _csv(self, table: str | os.PathLike[str], reading: Reading) -> dataset_pb2.CsvRecords:
        path = Path(table)
        upload = self._upload(packed(path.read_bytes()))
        return dataset_pb2.CsvRecords(file=path.name, upload=upload, options=options(reading))

    # agents

    def train(
        self,
        datasets: Sequence[Dataset | bytes | str],
        *,
        penalty: float,
        link: str = "softmax",
        name: str = "",
        start: Agent | bytes | str | None = None,
    ) -> Agent:
        """Trains the head that is the optimum over the datasets.

        Parameters
        ----------
        penalty : float
            λ of the mean loss plus λ/2 ‖W‖², on quantised features.
        link : {"softmax", "logistic", "squared"}
        start : Agent, bytes or str, optional
            An agent of the caller's with the same schema, whose weights training starts from. The optimum is the same, and reached in
            fewer steps from nearby.
        """
        terms = training_terms(datasets, penalty, link)
        work = agent_pb2.TrainWork(terms=terms, name=name, start=b"" if start is None else weights_of(start))
        answer = self._call("AgentService/TrainAgent", agent_service_pb2.TrainAgentRequest(work=work))
        return self.agent(Job(self, answer.job).result().agent.weights_digest)

    def import_model(
        self,
        model: str | os.PathLike[str] | bytes,
        datasets: Sequence[Dataset | bytes | str],
        *,
        penalty: float,
        link: str = "softmax",
        name: str = "",
        polish: float | None = 0.01,
        quantised_features: bool = False,
    ) -> Agent:
        """Brings an ONNX model trained elsewhere: the head that it is, moved to the optimum over the datasets.

        Parameters
        ----------
        model : path or bytes
            The ONNX file. Tensors in a file beside it, as PyTorch writes them, are read from there.
        penalty, link
            The loss that it was trained with, as for :meth:`train`.
        polish : float or None
            How far its weights may move, relative to their norm; :attr:`Agent.polish` tells how far they did, and what that changed.
            None: not at all.
        quantised_features : bool
            The model takes quantised features, from 0 to 255/256, instead of the schema's units. A canonical agent of another schema
            is taken only with this.

        Raises
        ------
        errors.BadModel
            It is no such head; the message says at which input, and what kind of model it is.
        errors.NotTheOptimum
            It is not the optimum, or further from it than `polish`; the message says what it looks like.
        """
        upload = self._upload(model_file(model))
        terms = training_terms(datasets, penalty, link)
        work = agent_pb2.ImportWork(
            terms=terms, name=name, upload=upload, polish=polish, quantised_features=quantised_features
        )
        answer = self._call("AgentService/ImportAgent", agent_service_pb2.ImportAgentRequest(work=work))
        return self.agent(Job(self, answer.job).result().agent.weights_digest)

    def show_scores(self, agent: Agent | bytes | str, show: bool = True) -> None:
        """Lets sessions of the caller's agent have the scores of all classes beside the answer, or no longer.

        Scores of a few more queries than the agent has features determine its weights, so at first only answers are given. Scores
        that were shown are not taken back.
        """
        request = agent_service_pb2.ShowScoresRequest(weights_digest=weights_of(agent), show=show)
        self._call("AgentService/ShowScores", request)

    def agent(self, agent: Agent | bytes | str) -> Agent:
        """One of the caller's agents, with its ONNX model."""
        request = agent_service_pb2.GetAgentRequest(weights_digest=weights_of(agent))
        return Agent._of(self._call("AgentService/GetAgent", request))

    def agents(self) -> Iterator[Agent]:
        """The caller's agents, newest first."""
        for page in self._pages("AgentService/ListAgents", agent_service_pb2.ListAgentsRequest()):
            yield from map(Agent._of, page.agents)

    def prove(self, agent: Agent | bytes | str, *, agent_id: bytes = bytes(32), version: int = 1) -> Proofs:
        """Proves an agent's gradients and its optimality; proofs that exist already are reused.

        Parameters
        ----------
        agent_id, version
            The agent's id and version on chain; off chain, any id.
        """
        digest = weights_of(agent)
        request = agent_service_pb2.ProveGradientsRequest(weights_digest=digest)
        jobs = [Job(self, job) for job in self._call("AgentService/ProveGradients", request).jobs]
        gradients = [job.result() for job in jobs]
        work = agent_pb2.OptimumWork(weights_digest=digest, agent_id=agent_id, version=version)
        answer = self._call("AgentService/ProveOptimum", agent_service_pb2.ProveOptimumRequest(work=work))
        return Proofs(self.agent(digest).datasets, gradients, Job(self, answer.job).result())

    def certificate(self, agent: Agent | bytes | str) -> bytes:
        """The certificate file of a proven agent, which :func:`tribute.verify` checks."""
        request = agent_service_pb2.GetCertificateRequest(weights_digest=weights_of(agent))
        return self._call("AgentService/GetCertificate", request).certificate_json

    def evaluate(self, agent: Agent | bytes | str, dataset: Dataset | bytes | str) -> Evaluation:
        """Proves how many records of a dataset an agent answers correctly; it must not have been trained on that dataset."""
        work = agent_pb2.EvaluationWork(weights_digest=weights_of(agent), dataset_id=id_of(dataset))
        answer = self._call("AgentService/EvaluateAgent", agent_service_pb2.EvaluateAgentRequest(work=work))
        outcome = Job(self, answer.job).result()
        return Evaluation(outcome.records, outcome.correct, outcome.loss * LOSS_UNIT, outcome.evaluation_json)

    # sessions

    def open_session(self, session: bytes | str, agent: Agent | bytes | str) -> None:
        """Makes the service serve a session that is open in the escrow contract; for its client or its session key."""
        request = session_service_pb2.OpenSessionRequest(session=bytes_of(session), weights_digest=weights_of(agent))
        self._call("SessionService/OpenSession", request)

    def prove_answers(self, agent: Agent | bytes | str, sessions: Sequence[bytes | str]) -> Claim:
        """Proves the answers of up to 16 sessions that have vouchers and were not claimed yet, for :meth:`Chain.claim`.

        Parameters
        ----------
        agent
            The caller's agent.
        sessions
            Ids of sessions of one version of it.
        """
        work = session_pb2.ServiceWork(weights_digest=weights_of(agent), sessions=[bytes_of(s) for s in sessions])
        answer = self._call("SessionService/ProveService", session_service_pb2.ProveServiceRequest(work=work))
        return Claim._of(Job(self, answer.job).result())

    # jobs

    def job(self, job: str) -> Job:
        """One of the caller's jobs."""
        return Job(self, self._call("JobService/GetJob", job_service_pb2.GetJobRequest(job=job)))

    def jobs(self) -> Iterator[Job]:
        """The caller's jobs, newest first."""
        for page in self._pages("JobService/ListJobs", job_service_pb2.ListJobsRequest()):
            yield from (Job(self, message) for message in page.jobs)

    # calls

    def _queries(self) -> QueryStream:
        """A stream of queries, not yet open."""
        return QueryStream(self._channel, self._signer)

    def _call(self, method: str, request: Any) -> Any:
        path, described, body = encoded(method, request)
        answer = message_factory.GetMessageClass(described.output_type)
        call: Any = self._channel.unary_unary(path, request_serializer=None, response_deserializer=answer.FromString)
        return self._authorized(described, path, body, lambda metadata: call(body, metadata=metadata, timeout=self.timeout))

    def _stream(self, method: str, request: Any) -> Iterator[Any]:
        path, described, body = encoded(method, request)
        answer = message_factory.GetMessageClass(described.output_type)
        call: Any = self._channel.unary_stream(path, request_serializer=None, response_deserializer=answer.FromString)
        yield from self._authorized(described, path, body, lambda metadata: until_it_breaks(call(body, metadata=metadata)))

    def _authorized(self, described: Any, path: str, body: bytes, call: Callable[[Any], Any]) -> Any:
        """Makes a call with the authorization its method needs; if the token is refused, logs in and retries once."""
        access = described.GetOptions().Extensions[common_pb2.call].access
        try:
            if access == common_pb2.ACCESS_PUBLIC:
                return call(())
            if access == common_pb2.ACCESS_SIGNED:
                return call([("authorization", self._signer.signed_message(path, body))])
            try:
                return call([("authorization", self._signer.token())])
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAUTHENTICATED:
                    raise
                return call([("authorization", self._signer.token(fresh=True))])
        except grpc.RpcError as error:
            raise errors.of_call(error) from None

    def _upload(self, data: bytes) -> bytes:
        """Uploads a file for use by a later call; returns its SHA-256, by which the call refers to it."""
        path, digest = "/tribute.v1.UploadService/Upload", hashlib.sha256(data).digest()
        chunks = (upload_service_pb2.UploadChunk(data=data[i : i + CHUNK]) for i in range(0, len(data), CHUNK))
        call: Any = self._channel.stream_unary(
            path,
            request_serializer=upload_service_pb2.UploadChunk.SerializeToString,
            response_deserializer=upload_service_pb2.UploadResponse.FromString,
        )
        metadata = [("authorization", self._signer.signed(path, len(data), digest))]
        try:
            return call(chunks, metadata=metadata).upload
        except grpc.RpcError as error:
            raise errors.of_call(error) from None

    def _pages(self, method: str, request: Any) -> Iterator[Any]:
        while True:
            page = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
