#!/usr/bin/env bash
# Installs one Debian package, if there is permission to; otherwise says what needs it and fails.
#   apt-install.sh PACKAGE "what needs it, and what to do"
set -euo pipefail
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
else
  echo "$2" >&2
  exit 1
fi
