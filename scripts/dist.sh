#!/usr/bin/env bash
# Packs what an operator installs: target/dist/tribute-VERSION-linux-ARCH.tar.gz and target/dist/tribute_VERSION_ARCH.deb, with
# the program, onnxruntime's library, the contracts' artefacts, systemd units and licences.
#   dist.sh         pack
#   dist.sh test    pack, install both into empty folders and use them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target="${CARGO_TARGET_DIR:-target}"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
arch=$(dpkg --print-architecture 2>/dev/null || uname -m)
name="tribute-$version-linux-$arch"
out="$target/dist"

pack() {
  local tree="$out/$name"
  rm -rf "$out"
  mkdir -p "$tree"/{bin,lib/tribute,lib/systemd/system,share/tribute/contracts,share/doc/tribute}
  install -m 755 "$target/release/tribute" "$tree/bin/tribute"
  strip --strip-unneeded "$tree/bin/tribute" 2>/dev/null || true
  install -m 644 -D "$(readlink -f .deps/ort/libonnxruntime.so)" "$tree/lib/tribute/libonnxruntime.so"
  for source in verifier-contract/src/*.sol verifier-contract/src/tokens/*.sol; do
    local contract
    contract=$(basename "$source" .sol)
    # interfaces have an artefact as well; nobody deploys them, but a check may want their ABI
    for artefact in "verifier-contract/out/$contract.sol"/*.json; do
      install -m 644 -D "$artefact" "$tree/share/tribute/contracts/$contract.sol/$(basename "$artefact")"
    done
  done
  install -m 644 deploy/systemd/*.service "$tree/lib/systemd/system/"
  install -m 644 deploy/grafana.json "$tree/share/tribute/"
  install -m 644 README.md LICENSE-MIT LICENSE-APACHE CHANGELOG.md "$tree/share/doc/tribute/"
  install -m 644 .deps/ort/LICENSE "$tree/share/doc/tribute/onnxruntime-LICENSE"
  install -m 644 .deps/ort/ThirdPartyNotices.txt "$tree/share/doc/tribute/onnxruntime-ThirdPartyNotices.txt"
  tar --create --gzip --file "$out/$name.tar.gz" --owner=0 --group=0 --sort=name -C "$out" "$name"

  local root="$out/deb"
  mkdir -p "$root/usr" "$root/etc/tribute" "$root/DEBIAN"
  cp -a "$tree/." "$root/usr/"
  mkdir -p "$root/lib"
  mv "$root/usr/lib/systemd" "$root/lib/systemd"
  install -m 640 deploy/systemd/tribute.env "$root/etc/tribute/tribute.env"
  echo /etc/tribute/tribute.env > "$root/DEBIAN/conffiles"
  cat > "$root/DEBIAN/control" <<CONTROL
Package: tribute
Version: $version
Architecture: $arch
Maintainer: The Tribute authors
Section: net
Priority: optional
Depends: libc6 (>= 2.36), libgcc-s1, libstdc++6, ca-certificates
Recommends: postgresql-client
Description: zero-knowledge proving service for private data provenance
 Proves that an AI agent was trained on the private datasets of several owners,
 how much of the agent each dataset explains, and that the agent itself gave
 its answers. Contains the command line, the service and the contracts.
CONTROL
  install -m 755 deploy/systemd/postinst "$root/DEBIAN/postinst"
  dpkg-deb --root-owner-group -Zgzip --build "$root" "$out/tribute_${version}_$arch.deb" >/dev/null
  rm -rf "$root"
  echo "packed: $out/$name.tar.gz, $out/tribute_${version}_$arch.deb"
}

# Uses the program at $1 with nothing of this repository: a clean environment, another folder.
use() {
  local program="$1" scratch anvil="$PWD/verifier-contract/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
  scratch=$(mktemp -d)
  cp examples/wine.csv "$scratch/"
  (
    cd "$scratch"
    # the first key of every local chain
    clean=(env -i PATH=/usr/bin:/bin HOME="$scratch" KEY=ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80)
    trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
    "${clean[@]}" "$program" --version
    "$anvil" --port 0 > anvil.log &
    for _ in $(seq 100); do rpc=$(sed -n 's/^Listening on /http:\/\//p' anvil.log); [ -n "$rpc" ] && break; sleep 0.1; done
    # needs the contracts
    "${clean[@]}" "$program" chain deploy --rpc "$rpc" --key-env KEY > deployed.txt
    "${clean[@]}" "$program" serve --listen 127.0.0.1:0 --port-file address --data data --k 10 --columns 8 2> serve.log &
    for _ in $(seq 300); do [ -s address ] && break; sleep 0.1; done
    server="http://$(cat address)"
    # contains the console
    python3 - "$server" <<'PY'
import re, sys, urllib.request

page = urllib.request.urlopen(sys.argv[1]).read().decode()
script = re.search(r'src="(/assets/[^"]+\.js)"', page)
assert script and len(urllib.request.urlopen(sys.argv[1] + script[1]).read()) > 100_000, page
PY
    "${clean[@]}" "$program" schema infer wine.csv --name wine --out schema.json > inferred.txt
    "${clean[@]}" "$program" dataset register wine.csv --schema schema.json --out dataset.json --server "$server" --key-env KEY
    dataset=$(sed -n 's/.*"dataset_id": "\(.*\)".*/\1/p' dataset.json)
    "${clean[@]}" "$program" agent train --dataset "$dataset" --link squared --lambda 0.03125 --name wine --onnx wine.onnx \
      --server "$server" --key-env KEY > trained.txt
    # needs onnxruntime
    "${clean[@]}" "$program" agent import wine.onnx --dataset "$dataset" --link squared --lambda 0.03125 --name again \
      --server "$server" --key-env KEY > imported.txt
    "${clean[@]}" "$program" status --data data
  )
  rm -rf "$scratch"
}

scripts/setup.sh >/dev/null
pack
if [ "${1:-}" = test ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  tar --extract --file "$out/$name.tar.gz" -C "$folder"
  use "$folder/$name/bin/tribute"
  echo "the tarball works"
  dpkg-deb --extract "$out/tribute_${version}_$arch.deb" "$folder/root"
  dpkg-deb --info "$out/tribute_${version}_$arch.deb" >/dev/null
  use "$folder/root/usr/bin/tribute"
  if command -v systemd-analyze >/dev/null; then
    # the units name the installed program: check them where it is installed
    systemd-analyze verify --recursive-errors=no --root="$folder/root" "$folder/root"/lib/systemd/system/tribute*.service 2>&1 |
      grep -v "Failed to prepare filename\|No such file" || true
  fi
  echo "the package works"
fi
