# make check is what CI runs; make test is what a newcomer runs.
GO       ?= go
TOOLS    := $(CURDIR)/.tools
LINT     := $(TOOLS)/golangci-lint
LINT_VER := v2.15.0
TARGETS  := linux/amd64 linux/arm64 darwin/arm64 windows/amd64
FUZZTIME ?= 10s

# The race detector needs a C compiler. Without one the tests still run.
RACE := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race)
# At its end each process with the detector sleeps, for a second unless told
# otherwise; the tests start thousands.
export GORACE ?= atexit_sleep_ms=10

.PHONY: check test test-stores docs man lint vet cross bench fuzz soak vuln build

check: lint vet test cross

test:
ifeq ($(RACE),)
	@echo "WARNING: no C compiler found: the tests run WITHOUT the race detector" >&2
endif
	$(GO) test $(RACE) -timeout 20m ./...

# The real servers and the best emulators of the stores, on the loopback, and
# other people's clients. The first time it installs and builds them, outside of
# the repository. STORES are the parts: backends, commands, first.
test-stores: build
	test/stores/run.sh $(STORES)

# Writes what is made from the code: docs/commands.md, the tables of
# docs/configuration.md, the schema. Tests compare them.
docs:
	$(GO) test ./internal/cli -run "TestCommandsPage|TestConfigurationPage|TestStoresPage" -count 1 -update

# The manual pages, for packages: dist/man/man1/tacit.1 and one for each command.
man: build
	bin/tacit man --out dist/man/man1

# Without what only a debugger reads, 10 MB; the names of functions stay, for
# those who scan the program.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -mod=readonly -ldflags=-w -o bin/tacit ./cmd/tacit

lint: $(LINT)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt these:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(LINT) run ./...

$(LINT):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) GOFLAGS=-mod=mod $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VER)

vet:
	$(GO) vet ./...

cross:
	@for t in $(TARGETS); do \
		echo "build $$t"; \
		CGO_ENABLED=0 GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build -trimpath -mod=readonly -o /dev/null ./cmd/tacit || exit 1; \
	done

# The budgets first, each beside its limit or its peer; then every benchmark.
# test/peers/install.sh puts the peers there that can be had.
bench: build
	$(GO) test -run '^$$' -bench 'Run$$|Many|Reads|Puts|References|Append' -benchtime 2s ./cmd/tacit . ./broker ./audit
	python3 test/peers/bench.py bin/tacit
	python3 test/peers/stores.py bin/tacit
	$(GO) test -run '^$$' -bench . -benchtime 1s ./backend/... ./internal/... ./policy

# Each fuzz target for FUZZTIME.
fuzz:
	@set -e; for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
			echo "fuzz $$p $$f"; \
			$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p; \
		done; \
	done

# Full counts and long fuzzing: hours, not minutes.
soak:
	TACIT_TEST_SOAK=1 TACIT_TEST_CRASHES=1000 $(GO) test $(RACE) -count 1 -timeout 4h ./...
	TACIT_TEST_SOAK=1 $(MAKE) test-stores
	$(MAKE) fuzz FUZZTIME=10m

# Needs the vulnerability database on the network, so it is apart from check.
vuln:
	@$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./... || { echo "make vuln: did NOT run or found something: see above" >&2; exit 1; }
