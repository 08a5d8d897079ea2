#!/usr/bin/env bash
# Runs a throw-away PostgreSQL for tests: temporary folder, unprivileged user, free port, no fsync.
#   postgres-for-tests.sh start [N]   with at most N connections; prints "FOLDER URL"; exits with 3 if there is no PostgreSQL
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

start() {
  as_server "$bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w -t 30 start -o "$(cat "$folder/options")" >/dev/null
}

case "${1:-}" in
start)
  folder=$(mktemp -d /tmp/tribute-pg.XXXXXX) # not TMPDIR: it may be closed to the server's user
  if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
  cd "$folder"
  as_server "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1
  # a certificate for the address, so that TLS can be tested, too
  printf '%s\n' '[req]' 'distinguished_name = dn' 'x509_extensions = ext' '[dn]' '[ext]' 'basicConstraints = CA:FALSE' \
    'subjectAltName = IP:127.0.0.1' >"$folder/openssl.cnf"
  as_server openssl req -x509 -config "$folder/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=tests -keyout "$folder/server.key" -out "$folder/server.crt" 2>/dev/null
  as_server chmod 600 "$folder/server.key"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  echo "-c ssl=on -c ssl_cert_file=$folder/server.crt -c ssl_key_file=$folder/server.key -p $port -k $folder -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=${2:-60}" >"$folder/options"
  start
  as_server "$bin/createdb" -h 127.0.0.1 -p "$port" -U postgres tribute
  echo "$folder postgres://postgres@127.0.0.1:$port/tribute"
  ;;
halt)
  cd /
  as_server "$bin/pg_ctl" -D "$2/data" -m immediate -w stop >/dev/null
  ;;
resume)
  cd /
  folder=$2
  start
  ;;
stop)
  cd /
  as_server "$bin/pg_ctl" -D "$2/data" -m immediate -w stop >/dev/null 2>&1 || true # it may be halted
  rm -rf "$2"
  ;;
*)
  echo "usage: $0 start | halt FOLDER | resume FOLDER | stop FOLDER" >&2
  exit 2
  ;;
esac
