# What there is to do. Go, make and git are all that is needed beforehand.
GO       ?= go
FUZZTIME ?= 20s
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LINT_VERSION := v2.15.0
LINT     := bin/tools/golangci-lint-$(LINT_VERSION)

.PHONY: build run test race lint fuzz bench e2e crash powercut damage diskfull faults hostile soak clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/caret ./cmd/caret

run: build
	bin/caret serve

# Never from the cache, which does not see that crashtest builds the binary.
test:
	$(GO) test -count=1 ./...

race:
	$(GO) test -count=1 -race -short ./...

lint: $(LINT)
	@test -z "$$(gofmt -l .)" || { echo "gofmt these:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) mod tidy -diff
	$(LINT) run

$(LINT):
	GOBIN=$(CURDIR)/bin/tools $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv bin/tools/golangci-lint $@

# Each fuzz target for FUZZTIME.
fuzz:
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read dir; do \
	  grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | sed 's/func //' | while read f; do \
	    echo "$$dir $$f"; $(GO) test $$dir -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) || exit 1; done || exit 1; done

# The numbers in DESIGN.md, on this machine; BENCH=name runs one section.
bench:
	$(GO) run ./cmd/caretbench -run "$(BENCH)"

# The binary driven by stock clients, on real input.
e2e: build
	testdata/e2e/run.sh
	testdata/e2e/clients.sh

# kill -9 under load, many rounds.
crash:
	CARET_CRASH_ROUNDS=200 $(GO) test ./cmd/crashtest -run Kill -count=1 -timeout 60m -v

# Power cuts on a loop device; needs root.
powercut:
	CARET_POWER_CUTS=$${CARET_POWER_CUTS:-100} $(GO) test ./cmd/crashtest -run PowerCut -count=1 -timeout 60m -v

# One file of a store damaged, in every way and at many places; CARET_DAMAGE is
# how many. The undamaged stores stay in bin/damage, for running a case again.
damage:
	rm -rf bin/damage
	CARET_DAMAGE=$${CARET_DAMAGE:-10000} CARET_DAMAGE_ROUNDS=60 CARET_DAMAGE_BASES=$(CURDIR)/bin/damage \
	  $(GO) test ./cmd/crashtest -run 'TestDamage$$' -count=1 -timeout 12h -v

# Disks of many sizes that somebody else fills at many points; needs root.
diskfull:
	CARET_DISKFULL=$${CARET_DISKFULL:-20} $(GO) test ./cmd/crashtest -run 'TestDiskFull$$' -count=1 -timeout 12h -v

# Calls of the system that fail, and kills at each of them; needs strace.
faults:
	CARET_FAULTS=$${CARET_FAULTS:-400} $(GO) test ./cmd/crashtest -run 'TestFaults$$|TestKillAtCalls$$' -count=1 -timeout 12h -v

# Attacks on the binary, and what they cost everybody else; ATTACK=name runs one.
# ATTACK=committer is the benchmark of a bystander's slowest PUT under each of them.
hostile:
	$(GO) run ./cmd/hostile -run "$(ATTACK)" -dir .

# The models of pfs, on one process and on two that are stopped dead in turns.
soak:
	$(GO) test ./pfs -run 'TestModel$$|TestTakeover' -count=1 -timeout 60m -rapid.checks=5000

clean:
	rm -rf bin
