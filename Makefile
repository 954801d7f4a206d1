# "make help" lists what there is. Everything works on a fresh clone with Go and make.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PREFIX  ?= /usr
DESTDIR ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 10s
TRIALS   ?= 1
GO      ?= go

BUILD    := build
PROGRAMS := cssc cssc-agent cssc-guard cssc-generator
TOOL     := $(GO) tool -modfile=contrib/tools/go.mod
LINT     := $(TOOL) golangci-lint
INTEGRATION := ./integration/... ./units/...
# Packages whose tests boot nodes; they get the machine to themselves.
LABS := ./integration ./integration/lab

# A checkout owned by somebody else must build too; the version comes from git describe.
export GOFLAGS += -buildvcs=false
export CSSC_LAB_CACHE ?= /var/cache/cssc-lab

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- build and install ---------------------------------------------------------------

.PHONY: build
build: ## build the programs into build/bin, the completions into build/completions
	@mkdir -p $(BUILD)/bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BUILD)/bin/ $(PROGRAMS:%=./cmd/%)
	@mkdir -p $(BUILD)/completions
	@for shell in bash:cssc zsh:_cssc fish:cssc.fish; do \
	  $(BUILD)/bin/cssc completion "$${shell%%:*}" >"$(BUILD)/completions/$${shell##*:}"; done

# Only when missing, so that "make build" and then "sudo make install" needs no Go for root.
$(BUILD)/bin/cssc-agent:
	$(MAKE) build

.PHONY: libcssc
libcssc: ## build the C library into build/libcssc (needs a C compiler, pkg-config and libsystemd-dev)
	@$(MAKE) -s -C contrib/libcssc BUILD=$(abspath $(BUILD))/libcssc VERSION=$(VERSION)

# Where distributions differ; here it is as Debian has it.
DOCDIR ?= $(PREFIX)/share/doc/cssc
ZSHDIR ?= $(PREFIX)/share/zsh/vendor-completions

.PHONY: install
install: $(BUILD)/bin/cssc-agent ## install what "make build" (and "make docs", "make libcssc") made into $(DESTDIR)$(PREFIX)
	@usr=$(DESTDIR)$(PREFIX); lib=$$usr/lib/systemd; \
	install -D -m 0755 $(BUILD)/bin/cssc $$usr/bin/cssc; \
	install -D -m 0755 $(BUILD)/bin/cssc-agent $$usr/sbin/cssc-agent; \
	install -D -m 0755 $(BUILD)/bin/cssc-guard $$usr/sbin/cssc-guard; \
	install -D -m 0755 $(BUILD)/bin/cssc-generator $$lib/system-generators/cssc-generator; \
	into() { dir=$$1; shift; for f; do if test -f "$$f"; then install -D -m 0644 "$$f" "$$dir/$${f##*/}"; fi; done; }; \
	into $$lib/system contrib/dist/systemd/system/*; \
	into $$lib/system-preset contrib/dist/systemd/system-preset/*.preset; \
	into $$lib/logind.conf.d contrib/dist/systemd/logind.conf.d/*.conf; \
	into $$lib/catalog contrib/dist/catalog/*.catalog; \
	into $$usr/share/dbus-1/system.d contrib/dist/dbus-1/system.d/*.conf; \
	into $$usr/share/dbus-1/interfaces contrib/dist/dbus-1/interfaces/*.xml; \
	into $$usr/share/polkit-1/actions contrib/dist/polkit-1/actions/*.policy; \
	for n in 1 3 5 7 8; do into $$usr/share/man/man$$n $(BUILD)/man/*.$$n; done; \
	into $$usr/share/bash-completion/completions $(BUILD)/completions/cssc; \
	into $(DESTDIR)$(ZSHDIR) $(BUILD)/completions/_cssc; \
	into $$usr/share/fish/vendor_completions.d $(BUILD)/completions/cssc.fish; \
	into $(DESTDIR)$(DOCDIR) README.md CHANGELOG.md contrib/*.md; \
	into $(DESTDIR)$(DOCDIR)/contrib/doc contrib/doc/*; \
	into $(DESTDIR)$(DOCDIR)/examples contrib/dist/examples/*; \
	(cd contrib/examples && find * -type f ! -name '*_test.go') | while read -r f; do \
	  install -D -m $$(test -x contrib/examples/$$f && echo 0755 || echo 0644) contrib/examples/$$f $(DESTDIR)$(DOCDIR)/examples/$$f; done; \
	install -d -m 0755 $(DESTDIR)/etc/cssc $(DESTDIR)/etc/cssc/conf.d
	@if test -e $(BUILD)/libcssc/libcssc.so; then $(MAKE) -s -C contrib/libcssc install BUILD=$(abspath $(BUILD))/libcssc VERSION=$(VERSION); fi

PYTHONDIR ?= $(PREFIX)/lib/python3/dist-packages

.PHONY: install-python
install-python: ## install the Python package cssc into $(DESTDIR)$(PYTHONDIR)
	@install -d -m 0755 $(DESTDIR)$(PYTHONDIR)/cssc
	@install -m 0644 contrib/python/cssc/*.py contrib/python/cssc/py.typed $(DESTDIR)$(PYTHONDIR)/cssc/

# ---- packages ------------------------------------------------------------------------

PACKAGE_VERSION ?= $(shell contrib/packages/version.sh "$(VERSION)")

.PHONY: deb
deb: ## Debian packages of this work tree into build/deb (needs debhelper)
	@contrib/packages/deb.sh "$(PACKAGE_VERSION)" $(BUILD)/deb

.PHONY: deb-source
deb-source: ## the Debian source package, modules included, into build/deb
	@contrib/packages/deb.sh "$(PACKAGE_VERSION)" $(BUILD)/deb source

.PHONY: rpm
rpm: ## the same packages as .rpm into build/rpm (needs no rpm tools)
	@contrib/packages/rpm.sh "$(PACKAGE_VERSION)" $(BUILD)/rpm

# ---- checks that need no root --------------------------------------------------------

.PHONY: check
check: lint ## no root, two minutes: linters, format, vet, unit and architecture tests
	$(GO) test ./...

.PHONY: lint
lint: ## linters, vet and format, as configured in .golangci.yml
	$(LINT) run --allow-parallel-runners ./...

.PHONY: fmt
fmt: ## format the code as the linters want it
	$(LINT) fmt ./...

.PHONY: tidy
tidy: ## go mod tidy, here and for the tools
	$(GO) mod tidy
	cd contrib/tools && $(GO) mod tidy
	cd contrib/packages && $(GO) mod tidy

.PHONY: golden
golden: ## rewrite the golden scenario files; read the diff before you commit it
	$(GO) test ./levels/... -rewrite
	$(GO) test ./serfcmm/election -run Scenario -rewrite
	$(GO) test ./cmd/cssc -run 'Manual|Golden' -update
	@git --no-pager diff --stat -- '*testdata*'; echo "Read the diff: every line of it is a change of behaviour."

.PHONY: race
race: ## unit tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s) each
	@grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sort | while IFS=: read -r file name; do \
	  echo "== $$(dirname "$$file") $${name#func }"; \
	  $(GO) test "$$(dirname "$$file")" -run '^$$' -fuzz "^$${name#func }\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x; done

SEEDS ?= 1000000
FIRST ?= 1

.PHONY: sim
sim: ## SEEDS (1000000) simulated histories of the election from seed FIRST (1); a failure prints how to repeat it
	$(GO) run ./integration/cmd/sim -histories $(SEEDS) -first $(FIRST)

.PHONY: mutants
mutants: ## plant bugs in the election, one at a time, and show which layer of its tests finds each
	$(GO) run ./integration/cmd/mutants

# What other nodes can say: no execution of a million may be believed, loop or panic.
FUZZ_PEERS := ./serfcmm/wire:FuzzDecode ./serfcmm/election:FuzzReceived ./serfcmm/keyring:FuzzKeyring

.PHONY: fuzz-peers
fuzz-peers: ## 1,000,000 executions of each fuzz target that other nodes can reach
	@mkdir -p $(BUILD); for pair in $(FUZZ_PEERS); do echo "== $$pair"; \
	  $(GO) test "$${pair%%:*}" -run '^$$' -fuzz "^$${pair##*:}\$$" -fuzztime 1000000x -fuzzminimizetime 1x >$(BUILD)/fuzz.txt 2>&1 || \
	    { cat $(BUILD)/fuzz.txt; exit 1; }; tail -n 3 $(BUILD)/fuzz.txt; done

.PHONY: model
model: ## every state of the model of the lease rule, and the bugs planted in it (needs rumur and cc)
	$(GO) test -tags integration -timeout 30m ./serfcmm/election -run '^TestModel' -v

.PHONY: cover
cover: ## coverage of the unit tests, per function, into build/cover.txt
	@mkdir -p $(BUILD)
	$(GO) test -coverprofile=$(BUILD)/cover.out ./...
	$(GO) tool cover -func=$(BUILD)/cover.out | tee $(BUILD)/cover.txt | tail -n 1

# The same sources make the same pages: scdoc writes this day into them.
docs: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)

.PHONY: docs
docs: ## man pages into build/man (needs scdoc)
	@mkdir -p $(BUILD)/man
	@for page in contrib/man/*.scd; do out=$(BUILD)/man/$$(basename "$$page" .scd); scdoc < "$$page" > "$$out"; done

.PHONY: docs-check
docs-check: docs ## man pages through mandoc's own linter, but for the empty paragraphs that scdoc makes
	@for page in $(BUILD)/man/*; do mandoc -T lint -W error "$$page"; done
	@if for page in $(BUILD)/man/*; do mandoc -T lint -W warning "$$page" || true; done | grep -v 'skipping paragraph macro: PP'; then exit 1; fi

# ---- with root: real systemd ---------------------------------------------------------

# Debian package that brings the program or the file, for what a bare machine lacks.
TOOLS := systemd-nspawn=systemd-container debootstrap=debootstrap nft=nftables ip=iproute2 \
         dbus-daemon=dbus scdoc=scdoc mandoc=mandoc rumur=rumur cc=gcc gencat=libc6-dev \
         dpkg-buildpackage=dpkg-dev dh=debhelper dh_python3=dh-python lintian=lintian rpm=rpm \
         pkg-config=pkg-config /usr/include/systemd/sd-bus.h=libsystemd-dev c++=g++ valgrind=valgrind \
         /usr/lib/python3/dist-packages/dbus=python3-dbus /usr/lib/python3/dist-packages/gi=python3-gi

.PHONY: deps
deps:
	@if test "$$(id -u)" != 0; then echo "This needs root, for containers with a systemd of their own: sudo make $(MAKECMDGOALS)" >&2; exit 1; fi
	@missing=(); for pair in $(TOOLS); do \
	  command -v "$${pair%%=*}" >/dev/null || test -e "$${pair%%=*}" || missing+=("$${pair##*=}"); done; \
	if test "$${#missing[@]}" != 0; then \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -qq; apt-get install -y -qq --no-install-recommends "$${missing[@]}" ca-certificates >/dev/null; fi

.PHONY: lab
lab: deps
	$(GO) run ./integration/cmd/lab prepare

.PHONY: test
test: deps lint docs-check lab fuzz-peers ## everything, as root: what CI runs; prints a summary
	@$(GO) build -o $(BUILD)/summary ./integration/cmd/summary
	others=$$($(GO) list ./... | grep -vxE '.*/integration(/lab)?'); { failed=0; \
	  $(GO) test -json -tags integration -p 2 -timeout 18m $$others || failed=1; \
	  $(GO) test -json -tags integration -p 1 -parallel 4 -timeout 30m $(LABS) || failed=1; \
	  exit $$failed; } | $(BUILD)/summary

.PHONY: integration
integration: lab ## only the tests with real systemds, as root
	@$(GO) build -o $(BUILD)/summary ./integration/cmd/summary
	$(GO) test -json -tags integration -p 1 -parallel 4 -timeout 18m $(INTEGRATION) | $(BUILD)/summary

.PHONY: clusters
clusters: lab ## only the stories of clusters, each fault TRIALS (1) times, with the figures, as root
	@names=$$(sed -n 's/^func \(Test[A-Za-z]*\)(t .*/\1/p' integration/cluster_*_test.go | paste -sd '|'); \
	CSSC_TRIALS=$(TRIALS) $(GO) test -tags integration -v -count=1 -timeout 8h -run "^($$names)\$$" ./integration

.PHONY: bench
bench: lab ## benchmarks against a reference in the same run, as root; two hours
	$(GO) run ./integration/cmd/bench

.PHONY: demo
demo: lab ## the stories on one and on three real nodes, with narration, as root
	@$(GO) run ./integration/cmd/demo

.PHONY: demo-cluster
demo-cluster: lab ## only the story on three nodes
	@$(GO) run ./integration/cmd/demo -story cluster

.PHONY: ci
ci: ## exactly what the CI machine runs
	.ci/run

.PHONY: clean
clean: ## remove build/; the lab's root file systems stay in $(CSSC_LAB_CACHE)
	rm -rf $(BUILD)
