#!/usr/bin/env bash
# Regenerates the valid inputs after a file format or a circuit has changed: fuzz/corpus/make.sh (needs `make build`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$PWD/../..
export PATH="$root/target/release:$PATH"
export TRIBUTE_ONNXRUNTIME="$root/.deps/ort/libonnxruntime.so"
TRIBUTE_KEY=$(printf '11%.0s' {1..32})
export TRIBUTE_KEY
scratch=$(mktemp -d)
trap 'kill %1 2>/dev/null; rm -rf "$scratch"' EXIT
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$scratch/$1" "$2"; }
# rows, file, digit of the owner's key: a valuation needs owners of their own, and another of the test set
wine() {
  TRIBUTE_KEY=$(printf "$3$3%.0s" {1..32}) tribute dataset register "$root/examples/wine.csv" --rows "$1" \
    --schema schema.json --open-training --out "$scratch/$2"
}

tribute schema infer "$root/examples/wine.csv" --name wine --out schema.json
tribute serve --listen 127.0.0.1:0 --port-file "$scratch/address" --data "$scratch/service" --k 11 2>"$scratch/log" &
until [ -s "$scratch/address" ]; do sleep 0.1; done
TRIBUTE_SERVER=http://$(cat "$scratch/address")
export TRIBUTE_SERVER
wine 0..40 first.json 2
wine 40..80 second.json 3
wine 80..110 held-out.json 4
tribute agent train --dataset "$(field first.json dataset_id)" --dataset "$(field second.json dataset_id)" \
  --link squared --lambda 0.01 --name wine --onnx agent.onnx --out "$scratch/agent.json"
weights=$(field agent.json weights_digest)
tribute agent prove-gradients "$weights" --out "$scratch/gradients.json"
tribute agent prove-optimum "$weights" --out "$scratch/optimum.json"
tribute agent certificate "$weights" --out certificate.json
tribute agent evaluate "$weights" --dataset "$(field held-out.json dataset_id)" --out evaluation.json
tribute agent value "$weights" --test "$(field held-out.json dataset_id)" --out valuation.json
