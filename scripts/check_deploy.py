#!/usr/bin/env python3
"""Checks compose.yaml and deploy/kubernetes without running them (`make deploy-check`).

  check_deploy.py [PROGRAM]

- Kubernetes' objects, and the job in KEDA's ScaledJob, are compared with Kubernetes' own schemas, strictly; the names of KEDA's
  fields with those of its definitions; compose.yaml with the Compose specification.
- Commands of the program exist with all their options, and so do the variables of the environment.
- The query by which KEDA counts jobs runs on a real PostgreSQL with the program's tables, and counts.
"""

import glob
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import compose_spec
import kubernetes_validate
import yaml
from cloudcoil.models.keda import v1alpha1 as keda

ROOT = Path(__file__).resolve().parent.parent
KUBERNETES = "1.34"
# Of the container's images and shells, not the program's.
FOREIGN = re.compile(r"^(AWS_|MINIO_|POSTGRES_|MC_)")


def fail(where, why):
    sys.exit(f"deploy: {where}: {why}")


def help_of(program, command):
    return subprocess.run([program, command, "--help"], capture_output=True, text=True, check=True).stdout


def check_command(program, where, words):
    """Compares a command line of the program with what it says about itself."""
    text = help_of(program, words[0])
    for word in words[1:]:
        if word.startswith("--") and not re.search(rf"(?m)^\s+{re.escape(word)}\b", text):
            fail(where, f"`tribute {words[0]}` has no option {word}")


def check_environment(program, where, names):
    text = help_of(program, "serve") + help_of(program, "worker")
    # read by the program's logs, and named by the operator as the key's source
    known = {"TRIBUTE_LOG_FORMAT", "TRIBUTE_MASTER_KEY"}
    for name in names:
        if not FOREIGN.match(name) and name not in known and not re.search(rf"\b{name}\b", text):
            fail(where, f"the program reads no variable {name}")


def known_fields(model, value, where):
    """Whether all fields of a KEDA object are in its definition, as deep as that has models."""
    names = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, inner in value.items():
        if key not in names:
            fail(where, f"KEDA has no field `{key}` here")
        if key == "jobTargetRef":
            continue  # a job of Kubernetes
        models = [t for t in [names[key].annotation, *getattr(names[key].annotation, "__args__", [])]]
        models += [t for m in models for t in getattr(m, "__args__", [])]
        below = next((m for m in models if hasattr(m, "model_fields")), None)
        for item in inner if isinstance(inner, list) else [inner]:
            if below and isinstance(item, dict):
                known_fields(below, item, f"{where}.{key}")


def check_object(where, one):
    try:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as e:
        fail(where, f"{'.'.join(map(str, e.path))}: {e.message}")


def check_kubernetes(program):
    queries, count = [], 0
    for file in sorted(glob.glob(str(ROOT / "deploy/kubernetes/*.yaml"))):
        objects = list(yaml.safe_load_all(Path(file).read_text()))
        for one in objects:
            count += 1
            where = f"{Path(file).name}: {one['kind']} {one['metadata']['name']}"
            pods = one.get("spec", {}).get("template")
            if one["apiVersion"].startswith("keda.sh/"):
                known_fields(getattr(keda, one["kind"]), one, where)
                if one["kind"] == "ScaledJob":
                    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": one["metadata"], "spec": one["spec"]["jobTargetRef"]}
                    check_object(where, job)
                    pods = job["spec"]["template"]
                    queries += [t["metadata"]["query"] for t in one["spec"]["triggers"]]
            else:
                check_object(where, one)
            if one["kind"] == "ConfigMap":
                check_environment(program, where, one["data"])
            for container in (pods or {}).get("spec", {}).get("containers", []):
                check_command(program, where, container["args"])
    return count, queries


def check_compose(program):
    text = (ROOT / "compose.yaml").read_text()
    # merged as YAML has it, without what only other parts refer to
    plain = {key: value for key, value in yaml.safe_load(text).items() if not key.startswith("x-")}
    try:
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(plain))
    except ValueError as e:
        fail("compose.yaml", e)
    for name, service in plain["services"].items():
        if service["image"].startswith("tribute:"):
            check_command(program, f"compose.yaml: {name}", service["command"])
            check_environment(program, f"compose.yaml: {name}", service["environment"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./") and not (ROOT / source).exists() or source.isidentifier() and source not in plain["volumes"]:
                fail(f"compose.yaml: {name}", f"there is no {source}")
    return len(plain["services"])


def check_queries(program, queries):
    script = ROOT / "scripts/postgres-for-tests.sh"
    folder, url = subprocess.run([script, "start"], capture_output=True, text=True, check=True).stdout.split()
    try:
        with tempfile.TemporaryDirectory() as data:
            # the first look makes the tables
            subprocess.run([program, "status", "--data", data, "--database", url], check=True, stdout=subprocess.DEVNULL)
        psql = sorted(glob.glob("/usr/lib/postgresql/*/bin/psql"))[-1]
        run = lambda sql: subprocess.run([psql, url, "-Atc", sql], capture_output=True, text=True, check=True).stdout.strip()
        columns = ("id, tenant, kind, content, payload, state, priority, weight_mb, starts, lost, attempts, max_attempts, fence, cancel, "
                   "phase, done, total, events, created_ms, not_before_ms, started_ms, ended_ms")
        later = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) + 60000"
        for number, (state, start) in enumerate([("queued", "0"), ("queued", "0"), ("queued", later), ("running", "0")]):
            values = f"'{number}', '0x', 'calibrate', '{number}', '{{}}', '{state}', 0, 1, 0, 0, 0, 3, 0, 0, '', 0, 0, 0, 0, {start}, 0, 0"
            run(f"INSERT INTO jobs ({columns}) VALUES ({values})")
        for query in queries:
            if run(query) != "2":
                fail("ScaledJob", f"of two jobs that may start, one that waits and one that runs, the query counts {run(query)}")
    finally:
        subprocess.run([script, "stop", folder], check=False)


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/tribute")
    count, queries = check_kubernetes(program)
    services = check_compose(program)
    check_queries(program, queries)
    print(f"deploy: {count} objects, {services} services and {len(queries)} query are as they must be; none was run")


if __name__ == "__main__":
    main()
