#!/usr/bin/env bash
# Runs a throw-away S3 server for tests (s3s-fs, on a folder of its own) with one empty bucket, on a free port. It takes
# requests that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY have signed.
#   s3-for-tests.sh start            prints "PID ENDPOINT FOLDER"; exits with 3 if s3s-fs is not installed
#   s3-for-tests.sh stop PID FOLDER
# scripts/test-tools.sh installs s3s-fs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
start)
  server=.deps/s3/bin/s3s-fs
  if [ ! -x "$server" ]; then
    echo "s3s-fs is not installed: run scripts/test-tools.sh" >&2
    exit 3
  fi
  : "${AWS_ACCESS_KEY_ID:?}" "${AWS_SECRET_ACCESS_KEY:?}"
  folder=$(mktemp -d)
  mkdir "$folder/tribute"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  RUST_LOG=warn "$server" --host 127.0.0.1 --port "$port" --access-key "$AWS_ACCESS_KEY_ID" \
    --secret-key "$AWS_SECRET_ACCESS_KEY" "$folder" >/dev/null 2>&1 &
  endpoint="http://127.0.0.1:$port"
  for _ in $(seq 150); do
    # it refuses what nobody signed, so it is there
    if kill -0 $! && curl --silent --output /dev/null "$endpoint/tribute"; then
      echo "$! $endpoint $folder"
      exit 0
    fi
    sleep 0.2
  done
  echo "the S3 server does not start" >&2
  kill $! 2>/dev/null || true
  rm -rf "$folder"
  exit 1
  ;;
stop)
  kill "$2" || true
  rm -rf "${3:?}"
  ;;
*)
  echo "usage: $0 start | stop PID FOLDER" >&2
  exit 2
  ;;
esac
