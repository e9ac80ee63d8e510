# Everything that is done to this tree. `make help` lists the targets.

SHELL := /bin/sh
GO ?= $(shell command -v go 2>/dev/null || echo /usr/local/go/bin/go)

# No cgo: a dynamic start costs 0.8 ms more, and nothing but Go is needed to build.
export CGO_ENABLED ?= 0
TAGS := containers_image_openpgp exclude_graphdriver_btrfs exclude_graphdriver_devicemapper exclude_graphdriver_zfs

# The version is the tag's; before the first tag, and in an archive without git, it is the one in engine/version.go.
BASE := $(shell sed -n 's/.*v.Version = "\(.*\)"$$/\1/p' engine/version.go)
VERSION ?= $(shell git describe --tags --match 'v*' --dirty 2>/dev/null | sed 's/^v//' | grep . || \
	echo $(BASE)$$(git rev-parse --short HEAD 2>/dev/null | sed 's/^/+/'))
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
# The commit's time, not the clock's: the same tree gives the same binary.
BUILT ?= $(shell git log -1 --format=%cI 2>/dev/null)
PKG := github.com/berth-engine/berth
LDFLAGS := -s -w -X $(PKG)/engine.version=$(VERSION) -X $(PKG)/engine.commit=$(COMMIT) -X $(PKG)/engine.built=$(BUILT)
GOBUILD := $(GO) build -trimpath -tags "$(TAGS)" -ldflags "$(LDFLAGS)"
GOTEST := $(GO) test -tags "$(TAGS)"

PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/berth
MANDIR ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
UNITDIR ?= $(PREFIX)/lib/systemd/system

FUZZTIME ?= 20s
RUN ?= .

.DEFAULT_GOAL := help
.PHONY: help
help: ## List the targets.
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/berth, bin/berth-monitor and bin/berth-init, static, without cgo.
	@hack/need-go "$(GO)"
	$(GOBUILD) -o bin/ ./cmd/berth ./cmd/berth-monitor ./cmd/berth-init

.PHONY: run
run: ## Install what is missing (as root), build, and run a first container.
	@hack/deps run
	@$(MAKE) --no-print-directory build
	bin/berth run --rm hello

.PHONY: test
test: ## Install what the tests need (as root) and run them all, unit and with real containers.
	@hack/deps run test
	@$(MAKE) --no-print-directory build
	$(GOTEST) -timeout 25m ./...

.PHONY: test-unit
test-unit: ## Run the tests that need no containers of the built programs.
	$(GOTEST) $$($(GO) list -tags "$(TAGS)" ./... | grep -v '/test/')

.PHONY: test-integration
test-integration: ## Run the tests with real containers; RUN=regexp selects some.
	@hack/deps run test
	@$(MAKE) --no-print-directory build
	$(GOTEST) -count 1 -timeout 25m -run '$(RUN)' ./test/...

.PHONY: test-race
test-race: ## Run the unit tests under the race detector (needs a C compiler).
	@hack/deps run test race
	CGO_ENABLED=1 $(GOTEST) -race -timeout 25m $$($(GO) list -tags "$(TAGS)" ./... | grep -v '/test/')

.PHONY: stress
stress: ## Run the store's tests with many, killed and failing processes at full length (some ten minutes).
	BERTH_STRESS=1 $(GOTEST) -count 1 -timeout 40m -v -run 'TestProcesses' ./store/sqlite ./store/bolt

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (20s); RUN=regexp selects some.
	@GO="$(GO)" TAGS="$(TAGS)" hack/fuzz "$(FUZZTIME)" "$(RUN)"

.PHONY: bench
bench: ## Measure Berth beside the OCI runtime, podman and Docker, as ratios.
	@hack/deps run test bench
	@$(MAKE) --no-print-directory build
	$(GO) run -tags "$(TAGS)" ./bench -berth bin -out docs/benchmarks.md

.PHONY: lint
lint: ## Check format, vet, the import table and the coverage table.
	@bad=$$($(GO)fmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "not gofmt-ed:"; echo "$$bad"; exit 1; }
	@for f in hack/* .ci/run; do [ ! -f "$$f" ] || head -n 1 "$$f" | grep -q 'sh$$' && sh -n "$$f" || exit 1; done
	$(GO) vet -tags "$(TAGS)" ./...
	$(GOTEST) ./internal/archtest ./docs

.PHONY: docs
docs: build ## Write the man pages and completions to dist/.
	@rm -rf dist/man dist/completions
	@mkdir -p dist/man dist/completions
	bin/berth manpages dist/man
	@for s in bash zsh fish; do bin/berth completion $$s > dist/completions/berth.$$s || exit 1; done

.PHONY: install
install: docs ## Install binaries, completions, man pages and the systemd unit (PREFIX, DESTDIR).
	install -D -m 0755 bin/berth "$(DESTDIR)$(BINDIR)/berth"
	install -D -m 0755 bin/berth-monitor "$(DESTDIR)$(LIBEXECDIR)/berth-monitor"
	install -D -m 0755 bin/berth-init "$(DESTDIR)$(LIBEXECDIR)/berth-init"
	install -D -m 0644 dist/completions/berth.bash "$(DESTDIR)$(BASHDIR)/berth"
	install -D -m 0644 dist/completions/berth.zsh "$(DESTDIR)$(ZSHDIR)/_berth"
	install -D -m 0644 dist/completions/berth.fish "$(DESTDIR)$(FISHDIR)/berth.fish"
	install -d "$(DESTDIR)$(MANDIR)/man1" "$(DESTDIR)$(UNITDIR)"
	install -m 0644 dist/man/*.1 "$(DESTDIR)$(MANDIR)/man1/"
	sed 's|@BINDIR@|$(BINDIR)|g' contrib/systemd/berth-restart.service.in > "$(DESTDIR)$(UNITDIR)/berth-restart.service"
	@chmod 0644 "$(DESTDIR)$(UNITDIR)/berth-restart.service"

.PHONY: uninstall
uninstall: ## Remove what install put in place (same PREFIX and DESTDIR).
	rm -f "$(DESTDIR)$(BINDIR)/berth" "$(DESTDIR)$(LIBEXECDIR)/berth-monitor" "$(DESTDIR)$(LIBEXECDIR)/berth-init" "$(DESTDIR)$(BASHDIR)/berth" \
	  "$(DESTDIR)$(ZSHDIR)/_berth" "$(DESTDIR)$(FISHDIR)/berth.fish" "$(DESTDIR)$(UNITDIR)/berth-restart.service" \
	  "$(DESTDIR)$(MANDIR)/man1/berth.1" "$(DESTDIR)$(MANDIR)"/man1/berth-*.1
	@rmdir "$(DESTDIR)$(LIBEXECDIR)" 2>/dev/null || true

.PHONY: clean
clean: ## Remove what was built.
	rm -rf bin dist
