#!/usr/bin/env bash
# Runs a throw-away PostgreSQL for tests: temporary folder, unprivileged user, free port, no fsync.
#   postgres-for-tests.sh start       prints "FOLDER URL"; exits with 3 if PostgreSQL is not installed
#   postgres-for-tests.sh stop FOLDER
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
if [ -z "$bin" ]; then
  echo "PostgreSQL is not installed (Debian: apt-get install postgresql)" >&2
  exit 3
fi
# initdb and the server refuse to run as root
as_server() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

case "${1:-}" in
start)
  folder=$(mktemp -d "${TMPDIR:-/tmp}/tribute-pg.XXXXXX")
  if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
  cd "$folder"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  as_server "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1
  as_server "$bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w -t 30 start -o \
    "-p $port -k $folder -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=60" >/dev/null
  as_server "$bin/createdb" -h 127.0.0.1 -p "$port" -U postgres tribute
  echo "$folder postgres://postgres@127.0.0.1:$port/tribute"
  ;;
stop)
  cd /
  as_server "$bin/pg_ctl" -D "$2/data" -m immediate -w stop >/dev/null
  rm -rf "$2"
  ;;
*)
  echo "usage: $0 start | stop FOLDER" >&2
  exit 2
  ;;
esac
