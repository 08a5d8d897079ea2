# Everything below brings what it needs by itself: see scripts/setup.sh.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
TRIBUTE := $${CARGO_TARGET_DIR:-target}/release/tribute
DEMO = $(TRIBUTE) demo --out demo-out
DEMO_WINE = $(TRIBUTE) demo --data examples/wine.csv --split 50,45,43 --holdout 40 --link logistic --lambda 1e-3 --out demo-out/wine
CIRCUITS = $(CARGO) test --release --locked -p tribute-core -p tribute-simd -p tribute-engine -p tribute-verify -p tribute-circuits -p tribute-evm
# one choice of packages, as in the tests: another would choose other features of what they share, and build that again
BENCHES = $(CARGO) build --release --locked --workspace --bins
CLIENT_PYTHON := .deps/client-venv/bin/python
PYTEST := timeout -k 30 1800 $(CLIENT_PYTHON) -m pytest clients/python/tests
TEST_CONSOLE := cd console && npm --silent test
AUDIT := .deps/venv/bin/python examples/audit.py

.PHONY: help setup build install check demo demo-wine test test-circuits test-contracts contracts-snapshot proto-snapshot lint
.PHONY: test-python test-console demo-web pictures docs docs-test npm dist dist-test deploy-check scenarios load flood fuzz bench large attribution values
.PHONY: demo-home demo-text parity training wheel bench-peers bench-threads bench-code bench-home kills

help: ## what the targets are
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## fetch onnxruntime, the Solidity toolchain and a local chain, all pinned; build the contracts and the console
	@scripts/setup.sh

build: setup ## build the tribute binary
	$(CARGO) build --release --locked -p tribute

install: setup ## the program with its console, into Cargo's folder, or into ROOT
	$(CARGO) install --locked --path prover/cli $(if $(ROOT),--root $(ROOT))

demo: build ## the whole life cycle on digits: three providers, one agent, two clients, four frauds
	$(DEMO)

demo-web: build ## a chain, a service and seeded data behind the web console, until Ctrl-C; prints its address
	node console/scripts/demo.mjs

demo-wine: build ## the same on wine
	$(DEMO_WINE)

demo-text: build ## a text agent: three experts' nodes, a sentence-embedding model, questions in plain text; beside scikit-learn, in RECORD if given
	@scripts/client-venv.sh
	@scripts/text-set.sh $(CLIENT_PYTHON) .deps/text
	$(CLIENT_PYTHON) examples/text_agent.py .deps/text $(if $(RECORD),--record $(RECORD))

demo-home: build ## three providers and an owner, each on a node of its own: nothing private crosses a link
	scripts/client-venv.sh
	.deps/client-venv/bin/python scripts/demo_home.py

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

dist: build ## what an operator installs, in target/dist: a tarball and a Debian package
	@scripts/dist.sh

dist-test: build ## the same, installed into empty folders and used
	@scripts/dist.sh test

deploy-check: build ## compose.yaml and the Kubernetes manifests, compared with schemas, the program and its tables; nothing is run
	@scripts/venv.sh .deps/deploy-venv scripts/deploy-requirements.txt
	.deps/deploy-venv/bin/python scripts/check_deploy.py $(TRIBUTE)

scenarios: setup ## what goes wrong in operation, with real processes and PostgreSQL, long tier: writes target/scenarios.json
	@scripts/test-tools.sh
	TRIBUTE_SCENARIOS=long TRIBUTE_REQUIRE_POSTGRES=1 $(CARGO) test --release --locked --workspace --test scenarios -- --nocapture

load: setup ## a long queue, many watchers, many clients' queries, an upload of 1 GB: that section of benches/RESULTS.md
	@scripts/test-tools.sh
	python3 benches/load.py

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
	.deps/client-venv/bin/python scripts/home_leaks_test.py

test-console: build ## the web console in a real Chromium: the life cycle by clicking, accessibility, screenshots in console/shots
	@scripts/chromium-for-tests.sh
	$(TEST_CONSOLE)

pictures: build ## the README's screenshots of the console
	@scripts/chromium-for-tests.sh
	node console/scripts/pictures.mjs

# Twice as many threads of tests as cores: half of the tests wait for processes, chains and databases.
test: ## everything: lint, all tests, both demos with their audit
	@scripts/test-tools.sh & tools=$$!; $(MAKE) --no-print-directory lint || { kill $$tools; exit 1; }; wait $$tools
	rm -f "$${CARGO_TARGET_DIR:-target}/tmp/differential.json"
	RUST_TEST_THREADS=$$((2 * $$(nproc))) TRIBUTE_REQUIRE_POSTGRES=1 TRIBUTE_REQUIRE_S3=1 TRIBUTE_REQUIRE_HARDHAT=1 \
	  $(CARGO) test --release --locked --no-fail-fast --workspace
	@scripts/test-contracts.sh tested
	@scripts/npm-package.sh test
	@scripts/dist.sh test
	@scripts/venv.sh .deps/deploy-venv scripts/deploy-requirements.txt
	.deps/deploy-venv/bin/python scripts/check_deploy.py $(TRIBUTE)
	$(DEMO)
	@scripts/audit-venv.sh
	$(AUDIT) demo-out --data examples/digits.csv.gz
	$(DEMO_WINE)
	$(AUDIT) demo-out/wine --data examples/wine.csv
	@scripts/client-venv.sh
	$(PYTEST)
	@scripts/chromium-for-tests.sh
	$(TEST_CONSOLE)
	$(CLIENT_PYTHON) benches/parity.py --short

large: ## whole certificates of 4,200 x 40 x 20 and 100,000 x 64 x 10 records at C = 1, some minutes: that section of benches/RESULTS.md
	$(BENCHES)
	python3 benches/run.py --only large

parity: build ## certified agents beside scikit-learn's pipelines, ten minutes: writes docs/parity.md
	@scripts/client-venv.sh
	$(CLIENT_PYTHON) benches/parity.py

training: setup ## training beside scikit-learn on 100,000 x 64 and 20,000 x 384, in memory and from disk: that section of benches/RESULTS.md
	@scripts/client-venv.sh
	$(BENCHES)
	$(CLIENT_PYTHON) benches/training.py

wheel: build ## a Python wheel of the command line with the verifier, in target/wheels; installed and used once
	@scripts/wheel.sh

attribution: ## how shares move when data, terms and parties change: writes docs/attribution.md and docs/attribution.json
	$(BENCHES)
	$${CARGO_TARGET_DIR:-target}/release/attribution

flood: build ## an attack from one account, with cores of their own for the server and its clients: another's calls at most twice as late
	TRIBUTE_FLOOD=strict $(CARGO) test --release --locked --workspace --test load -- --nocapture

values: build ## what data is worth: digits and wine with three owners, digits with six, wine with twelve, many minutes
	$(CARGO) test --release --locked --workspace --test program -- --ignored --nocapture --test-threads 1 value::

TIMES ?= 20
fuzz: ## altered inputs, TIMES times as many as in `make test`
	TRIBUTE_FUZZ_TIMES=$(TIMES) $(CARGO) test --release --locked --workspace --test targets

bench: build ## speed, memory and sizes, side by side with EZKL, twenty minutes: writes benches/RESULTS.md
	@scripts/venv.sh .deps/ezkl-venv scripts/bench-requirements.txt
	$(BENCHES)
	python3 benches/run.py

bench-threads: ## proofs on 1, 2, 4, … threads up to all cores: that section of benches/RESULTS.md
	$(BENCHES)
	python3 benches/run.py --only threads

bench-code: ## gadgets, proving and verifying by criterion, to compare two versions of the code; writes target/criterion
	$(CARGO) bench --locked -p tribute-benches

bench-home: build ## training across 1 to 30 nodes, and rounds of a large model on sentence embeddings: that section of benches/RESULTS.md
	@scripts/client-venv.sh
	@scripts/text-set.sh $(CLIENT_PYTHON) .deps/text
	python3 benches/home.py
	$(CLIENT_PYTHON) benches/text_csv.py .deps/text .deps/text/embeddings.csv
	TRIBUTE_FILE=$(CURDIR)/.deps/text/embeddings.csv $(CARGO) test --release --locked --workspace --test protocol -- --ignored --nocapture rounds_of_a_file

EVERY ?= 1
kills: build ## kill -9 of the owner and of a node at every piece of data of a training across nodes (or EVERY so many), a training for each: ten minutes
	TRIBUTE_KILLS=$(EVERY) $(CARGO) test --release --locked --workspace --test across -- --nocapture killed

bench-peers: setup ## the same beside UltraHonk, Groth16 and EZKL, twenty minutes; the first time longer, for their circuits: that section of benches/RESULTS.md
	@scripts/venv.sh .deps/ezkl-venv scripts/bench-requirements.txt
	cd benches/peers && npm ci --ignore-scripts --no-audit --no-fund
	$(BENCHES)
	CARGO_TARGET_DIR=$${CARGO_TARGET_DIR:-$(CURDIR)/target} $(CARGO) build --release --locked --manifest-path benches/peers/Cargo.toml
	python3 benches/run.py --only peers
