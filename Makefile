# Everything below brings what it needs by itself: see scripts/setup.sh.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
TRIBUTE := $${CARGO_TARGET_DIR:-target}/release/tribute
DEMO = $(TRIBUTE) demo --out demo-out
DEMO_WINE = $(TRIBUTE) demo --data examples/wine.csv --split 50,45,43 --holdout 40 --link logistic --lambda 1e-3 --out demo-out/wine
CIRCUITS = $(CARGO) test --release --locked -p tribute-core -p tribute-simd -p tribute-engine -p tribute-verify -p tribute-circuits -p tribute-evm
PYTEST := .deps/client-venv/bin/python -m pytest clients/python/tests
AUDIT := .deps/venv/bin/python examples/audit.py

.PHONY: help setup build check demo demo-wine test test-circuits test-contracts contracts-snapshot proto-snapshot lint \
  test-python docs docs-test npm fuzz bench large load attribution

help: ## what the targets are
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## fetch onnxruntime, the Solidity toolchain and a local chain, all pinned; build the contracts
	@scripts/setup.sh

build: setup ## build the tribute binary
	$(CARGO) build --release --locked -p tribute

demo: build ## the whole life cycle on digits: three providers, one agent, two clients, four frauds
	$(DEMO)

demo-wine: build ## the same on wine
	$(DEMO_WINE)

check: ## what changed, in under two minutes: formatting, clippy and unit tests of the changed crates, links
	@python3 scripts/check_changed.py

lint: setup ## formatting, clippy with warnings denied, dependencies by deny.toml, links and paths in the documentation
	$(CARGO) fmt --all --check
	python3 scripts/check_docs.py
	python3 -m unittest discover --start-directory scripts --buffer
	scripts/deny.sh
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

docs: ## the book, in target/book
	@scripts/tools.sh
	python3 scripts/check_docs.py
	.deps/tools/mdbook build docs

docs-test: build ## the six roles' paths: every command as it is printed
	python3 scripts/run_docs.py

npm: setup ## the npm package of interfaces and ABIs, in target/npm
	@scripts/npm-package.sh

test-contracts: setup ## the contracts' tests: forge, verifiers, snapshots, static analysis; writes verifier-contract/report.json
	@scripts/test-contracts.sh

contracts-snapshot: setup ## the same, writing gas and size snapshots, ABIs and docs/gas.md anew
	@scripts/test-contracts.sh renew

proto-snapshot: ## write proto/wire.txt anew; refuses a breaking change under the same version of the messages
	TRIBUTE_RENEW=1 $(CARGO) test --release --locked -p tribute-proto --test compatibility

test-circuits: setup ## the circuits' tests; attacks with real proofs, their outcomes in circuits/tests/attacks.json
	@scripts/ceremony-tools.sh
	rm -rf "$${CARGO_TARGET_DIR:-target}/tmp/attacks"
	$(CIRCUITS) -- --skip record::every
	$(CIRCUITS) --test attacks -- --ignored --exact record::merge
	$(CIRCUITS) --test statements -- --ignored --exact shapes::the_largest_shape

test-python: build ## the Python client, against a real service and a real chain
	@scripts/client-venv.sh
	$(PYTEST)

# One build for all of it: another choice of packages would choose other features of what they share, and build that again.
test: lint ## everything: lint, all tests, both demos with their audit
	@scripts/test-tools.sh
	rm -f "$${CARGO_TARGET_DIR:-target}/tmp/differential.json"
	TRIBUTE_REQUIRE_POSTGRES=1 TRIBUTE_REQUIRE_HARDHAT=1 $(CARGO) test --release --locked --no-fail-fast --workspace
	@scripts/test-contracts.sh tested
	@scripts/npm-package.sh test
	$(DEMO)
	@scripts/audit-venv.sh
	$(AUDIT) demo-out --data examples/digits.csv.gz
	$(DEMO_WINE)
	$(AUDIT) demo-out/wine --data examples/wine.csv
	@scripts/client-venv.sh
	$(PYTEST)

large: ## whole certificates of 4,200 x 40 x 20 and 100,000 x 64 x 10 records at C = 1, some minutes: that section of benches/RESULTS.md
	$(CARGO) build --release --locked -p tribute-benches
	python3 benches/run.py --large

attribution: ## how shares move when data, terms and parties change: writes docs/attribution.md and docs/attribution.json
	$(CARGO) run --release --locked -p tribute-benches --bin attribution

load: build ## an attack from one account, with cores of their own for the server and its clients: another's calls at most twice as late
	TRIBUTE_LOAD=strict $(CARGO) test --release --locked -p tribute --test load -- --nocapture

TIMES ?= 20
fuzz: ## altered inputs, TIMES times as many as in `make test`
	TRIBUTE_FUZZ_TIMES=$(TIMES) $(CARGO) test --release --locked -p tribute-fuzz --test targets

bench: setup ## speed, memory and sizes, side by side with EZKL: writes benches/RESULTS.md
	@scripts/venv.sh .deps/ezkl-venv scripts/bench-requirements.txt
	$(CARGO) build --release --locked -p tribute-benches
	.deps/ezkl-venv/bin/python benches/run.py
	$(CARGO) bench -p tribute-benches
