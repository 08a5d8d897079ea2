#!/usr/bin/env bash
# Installs Debian's Chromium for the tests of the web console, if it is missing and there is permission to.
set -euo pipefail

if [ -n "${CHROMIUM:-}" ] || [ -x /usr/bin/chromium ]; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
else
  echo "the tests of the console need Chromium: install the package chromium, or name the program in CHROMIUM" >&2
  exit 1
fi
