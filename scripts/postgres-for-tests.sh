#!/usr/bin/env bash
# Runs a throw-away PostgreSQL for tests: temporary folder, unprivileged user, free port, no fsync.
#   postgres-for-tests.sh start       prints "FOLDER URL"; exits with 3 if PostgreSQL is not installed
#   postgres-for-tests.sh halt FOLDER     stops it at once, keeping its data
#   postgres-for-tests.sh resume FOLDER   starts it again
#   postgres-for-tests.sh stop FOLDER     stops it and removes the folder
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
  folder=$(mktemp -d /tmp/tribute-pg.XXXXXX) # not TMPDIR: it may be closed to the server's user
  if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
  cd "$folder"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  as_server "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1
  as_server tee "$folder/options" >/dev/null <<OPTIONS
-p $port -k $folder -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=60
OPTIONS
  as_server "$bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w -t 30 start -o "$(cat "$folder/options")" >/dev/null
  as_server "$bin/createdb" -h 127.0.0.1 -p "$port" -U postgres tribute
  echo "$folder postgres://postgres@127.0.0.1:$port/tribute"
  ;;
halt)
  cd /
  as_server "$bin/pg_ctl" -D "$2/data" -m immediate -w stop >/dev/null
  ;;
resume)
  cd /
  as_server "$bin/pg_ctl" -D "$2/data" -l "$2/server.log" -w -t 30 start -o "$(cat "$2/options")" >/dev/null
  ;;
stop)
  cd /
  as_server "$bin/pg_ctl" -D "$2/data" -m immediate -w stop >/dev/null || true # it may be halted
  rm -rf "$2"
  ;;
*)
  echo "usage: $0 start | halt FOLDER | resume FOLDER | stop FOLDER" >&2
  exit 2
  ;;
esac
