# `make` alone lists the targets.
GO      ?= go
BUILD   := .build
BIN     := $(BUILD)/hydrant
# Static analysis runs at this version, from the module proxy, without being in go.mod.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the command into .build/hydrant
	@mkdir -p $(BUILD)
	$(GO) build -o $(BIN) ./cmd/hydrant

.PHONY: demo
demo: build ## the main job, end to end, on an S3 server of its own
	$(BIN) demo --dir .demo

.PHONY: test
test: ## all tests
	$(GO) test ./...

.PHONY: race
race: ## all tests with the race detector
	$(GO) test -race -short ./...

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, and building without cgo
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt: $$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags e2e ./e2e
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./bitmap/... ./clone/... ./dest/... ./source/...
	$(GO) run $(STATICCHECK) ./...

.PHONY: versitygw
versitygw: $(BUILD)/versitygw ## build the S3 server of the end-to-end tests
$(BUILD)/versitygw: tools/go.mod tools/go.sum
	@mkdir -p $(BUILD)
	$(GO) build -C tools -o ../$(BUILD)/versitygw github.com/versity/versitygw/cmd/versitygw

.PHONY: e2e
e2e: build versitygw ## end-to-end tests: versitygw, the sqlite3 shell, databases from Debian
	$(GO) test -tags e2e -count=1 -v ./e2e

.PHONY: bench
bench: ## measure, side by side with what people do without hydrant
	$(GO) run ./bench all

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD) .demo
