# One build for everything: always the release profile, always the whole workspace. RocksDB's
# build script then has the same inputs in `run`, `test`, `lint` and `doc`, and its 15-20
# minutes of C++ (two cores) are spent once. Building one package alone (`-p jddb-storage`)
# gives its dependencies other features, and RocksDB starts anew. CARGO_TARGET_DIR is honoured.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
export CARGO_TARGET_DIR := $(TARGET)
CARGO ?= cargo
WHOLE := --release --workspace
SEEDS ?= 1000000

# Where the tests find the clients that scripts/setup-clients installs; a test whose client
# is not there skips itself and says so. `import` ignores NODE_PATH, so scripts use
# `createRequire(process.env.JDDB_TEST_NODE_PATH + "/")`.
CLIENTS := $(TARGET)/clients
export JDDB_TEST_PYTHON ?= $(CLIENTS)/python/bin/python
export JDDB_TEST_NODE_PATH ?= $(CLIENTS)/node/node_modules

.DEFAULT_GOAL := help
.PHONY: help setup build run test simulate conformance powercuts sigterms hostile mutants reload slow slowhttp http-bench schemathesis bench fuzz fmt fmt-check lint doc deny check clean

help: ## Lists the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1 - \2/p' Makefile | awk -F ' - ' '{ printf "%-16s%s\n", $$1, $$2 }'

setup: ## Installs a C++ compiler and libclang where they are missing
	@scripts/setup
	@ls $(TARGET)/release/build/librocksdb-sys-*/out/librocksdb.a >/dev/null 2>&1 || \
		echo 'The first build takes 15 to 20 minutes on two cores: RocksDB is compiled from C++. Later ones reuse it.'

build: setup ## Builds everything
	$(CARGO) build $(WHOLE)

run: build ## Runs the server on ./data; more options: make run ARGS="--help"
	$(TARGET)/release/jddb-realtime serve --data ./data $(ARGS)

# The benches run once each, on little input, so that they cannot rot.
test: setup ## Runs every test; one of them: make test ARGS=name
	@scripts/setup-clients $(CLIENTS)
	$(if $(ARGS),,$(CARGO) test $(WHOLE) --bench '*' --quiet)
	$(CARGO) test $(WHOLE) $(ARGS)

# The core alone: RocksDB has no part in it, so nothing large is compiled anew.
simulate: ## Runs simulated schedules: make simulate SEEDS=1000000; one of them: make simulate ARGS="--seed 17"
	$(CARGO) run --release -p jddb-core --features sim --example simulate -- --seeds $(SEEDS) $(ARGS)

conformance: build ## Runs the WebSocket suite Autobahn, an hour; a part of it, half a minute: make conformance ARGS=quick
	@scripts/conformance $(ARGS)

powercuts: setup ## Cuts a loaded server's power 20 times; the simulated disk is JDDB_SHARED/tools/powercut.c
	JDDB_TEST_POWER_CUTS=20 $(CARGO) test $(WHOLE) --test power_cuts -- --nocapture

sigterms: setup ## Stops a loaded server 20 times and looks what its clients were told and have
	JDDB_TEST_STOPS=20 JDDB_TEST_TYPISTS=120 $(CARGO) test $(WHOLE) --test sigterm -- --nocapture

LOADTEST := $(TARGET)/release/jddb-loadtest
SERVER := $(TARGET)/release/jddb-realtime

hostile: build ## Floods a server with what never ends, and with decompression bombs
	$(LOADTEST) hostile --server-bin $(SERVER) $(ARGS)

mutants: build ## Sends a server a million damaged frames and messages; again: make mutants ARGS="--seed 17"
	$(LOADTEST) mutants --server-bin $(SERVER) $(ARGS)

reload: build ## Changes certificates, keys of tokens and settings while 1,000 clients edit: a minute and a half
	$(LOADTEST) reload --server-bin $(SERVER) $(ARGS)

slow: build ## Has a tenth of a server's clients read nothing, a byte a second, or too little: five minutes
	$(LOADTEST) slow --server-bin $(SERVER) --max-growth-mib 150 --max-p99-ratio 2 $(ARGS)

slowhttp: build ## Attacks a server with slowhttptest while others edit on it
	scripts/slowhttp $(ARGS)

http-bench: build ## Measures states and durable changes over HTTP beside a bare hyper server, two minutes
	$(LOADTEST) http --server-bin $(SERVER) --cores 2 --min-state-ratio 0.6 --min-change-ratio 0.25 $(ARGS)
schemathesis: build ## Attacks a server with what its /openapi.json allows and forbids; a little: make schemathesis ARGS=quick
	@scripts/schemathesis $(TARGET)/schemathesis $(SERVER) $(ARGS)

bench: setup ## Measures the hot paths; one of them: make bench ARGS=name
	$(CARGO) bench --workspace --bench '*' -- $(ARGS)

fuzz: ## Fuzzes the core, ten minutes a target; one of them: make fuzz ARGS=document
	@scripts/fuzz $(ARGS)

fmt: ## Formats the code
	$(CARGO) fmt --all

fmt-check:
	$(CARGO) fmt --all --check

lint: setup ## Clippy, a warning is an error
	$(CARGO) clippy $(WHOLE) --all-targets -- -D warnings

doc: setup ## Builds the documentation, a warning is an error
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(WHOLE) --no-deps

deny: ## Checks licences, duplicates and sources of the dependencies
	@scripts/deny

check: ## All that CI checks
	.ci/run

clean: ## Removes what was built, RocksDB too
	$(CARGO) clean
