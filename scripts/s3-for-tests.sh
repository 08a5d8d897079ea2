#!/usr/bin/env bash
# Runs a throw-away S3 server for tests (moto, in memory) with one empty bucket, on a free port.
#   s3-for-tests.sh start       prints "PID ENDPOINT"; exits with 3 if moto is not installed
#   s3-for-tests.sh stop PID
# scripts/test-tools.sh installs moto.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
start)
  python=.deps/s3-venv/bin/python
  if [ ! -x "$python" ]; then python=python3; fi
  if ! "$python" -c 'import moto.server, flask_cors' 2>/dev/null; then
    echo "moto is not installed: run scripts/test-tools.sh" >&2
    exit 3
  fi
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  "$python" -c 'from moto.server import main; import sys; main(sys.argv[1:])' -H 127.0.0.1 -p "$port" >/dev/null 2>&1 &
  endpoint="http://127.0.0.1:$port"
  for _ in $(seq 150); do
    if curl --silent --output /dev/null --request PUT "$endpoint/tribute"; then
      echo "$! $endpoint"
      exit 0
    fi
    sleep 0.2
  done
  echo "the S3 server does not start" >&2
  exit 1
  ;;
stop)
  kill "$2"
  ;;
*)
  echo "usage: $0 start | stop PID" >&2
  exit 2
  ;;
esac
