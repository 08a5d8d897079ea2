#!/usr/bin/env bash
# Installs Debian's Chromium for the tests of the web console, if it is missing and there is permission to.
set -euo pipefail

if [ -n "${CHROMIUM:-}" ] || [ -x /usr/bin/chromium ]; then
  exit 0
fi
exec "$(dirname "${BASH_SOURCE[0]}")/apt-install.sh" chromium \
  "the tests of the console need Chromium: install the package chromium, or name the program in CHROMIUM"
