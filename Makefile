# One command per chore; `make help` lists them, and CI runs the same ones.
# Needs Go 1.26 or newer, gcc (for Kafka's client), make and git. Everything else
# comes from the Go module registry.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
INTEGRATION := internal/integration
export TEMPORAL_CLI ?= $(BIN)/temporal
export GOTOOLCHAIN ?= local
# Race-enabled tests of packages that start servers share the machine's few cores. The limit only guards
# against waiting for ever: the longest package takes six minutes on two cores, and slower machines more.
TESTFLAGS ?= -race -timeout 30m

.PHONY: help
help: ## List the chores
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

.PHONY: demo
demo: build-demo ## Run the main job on embedded parts: Kafka to Temporal to a phone to a database
	@$(BIN)/demo -bin $(BIN) $(ARGS)

.PHONY: test
test: test-unit test-integration test-examples replay-mutant ## Run all tests, race detector on

.PHONY: test-unit
test-unit: ## Run the tests that need no server
	go test $(TESTFLAGS) ./...

.PHONY: test-integration
test-integration: $(TEMPORAL_CLI) ## Run the tests on a real Temporal dev server, Kafka over TCP and databases
	@$(INTEGRATION)/sqlstore/install-postgres.sh -try
	cd $(INTEGRATION) && go test $(TESTFLAGS) -p 1 ./...

.PHONY: postgres
postgres: ## Install the PostgreSQL that the tests start (Debian, root or sudo); make test does so where it may
	@$(INTEGRATION)/sqlstore/install-postgres.sh

LIVEKIT := internal/integration/livekit
.PHONY: test-livekit
test-livekit: $(BIN)/livekit-server ## Run package livekit's scenarios on a real livekit-server
	@command -v redis-server >/dev/null || { echo 'installing redis-server' >&2; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo='sudo -n'; \
		$$sudo apt-get update -q >&2; $$sudo apt-get install -y -q --no-install-recommends redis-server >&2; } \
		|| { echo 'redis-server is missing: apt-get install redis-server' >&2; exit 1; }
	@cd $(LIVEKIT) && status=0; \
	LIVEKIT_SERVER=$(BIN)/livekit-server go test -count=1 -v -timeout 30m ./... >$(BIN)/test-livekit.log 2>&1 || status=$$?; \
	grep -P '^(PASS|FAIL)\t(?!github)' $(BIN)/test-livekit.log || true; \
	sed -n 's/^PASS\t//p' $(BIN)/test-livekit.log | diff scenarios.txt - || status=1; \
	if [ $$status != 0 ]; then grep -v '^===' $(BIN)/test-livekit.log | tail -n 100 >&2; exit 1; fi; \
	echo "ok	all $$(wc -l <scenarios.txt) scenarios, and LiveKit's own library"

KAFKA_SUITE = cd $(INTEGRATION) && go run ./kafkabroker/suite -jars $(BIN)/kafka-jars

.PHONY: test-kafka
test-kafka: $(TEMPORAL_CLI) ## Run the Kafka tests on Apache Kafka 4.3 (needs Java 17, Maven and kcat; skipped without, but not in CI)
	@$(KAFKA_SUITE) $(if $(ARGS),,-want kafkabroker/suite/scenarios.txt) -- $(ARGS) -timeout 30m -skip TestInjected ./kafkasrc

# What test-kafka does in a minute each, at length: 200,000 messages through storms of each kind of
# group, ten minutes of a Submitter that is down or slow, 100,000 bulk tasks, half an hour of plain work.
.PHONY: soak
soak: ## Run the long forms of the Kafka tests on Apache Kafka: about an hour
	@export KAFKA_STORM=200000 KAFKA_PRESSURE=10m KAFKA_BULK=100000 KAFKA_SOAK=30m; $(KAFKA_SUITE) -- \
		-timeout 120m -run 'TestStorm|TestBackPressure|TestBulkDelay|TestSoak' $(ARGS) ./kafkasrc

.PHONY: test-examples
test-examples: ## Run the examples' tests and count their lines
	cd examples && go test $(TESTFLAGS) ./...

.PHONY: replay-mutant
replay-mutant: ## See the replay tests fail on a workflow with one timer too many
	@go test -tags voice_mutant -run '^$$' ./voicetask >/dev/null # it builds: what fails below is the replay
	@if go test -tags voice_mutant -run TestRecordedHistoriesReplay ./voicetask >/dev/null 2>&1; then \
		echo 'a changed workflow replays the recorded histories: the replay tests prove nothing' >&2; exit 1; \
	else echo 'ok	a workflow with one timer more does not replay'; fi

.PHONY: histories
histories: $(TEMPORAL_CLI) ## Record the workflow's histories anew (only for a new set beside the old one)
	mkdir -p voicetask/testdata/histories
	cd $(INTEGRATION) && RECORD_HISTORIES=1 go test -count=1 ./temporal

.PHONY: bench
bench: $(TEMPORAL_CLI) ## Measure against a bare SDK workflow and encoding/json
	cd $(INTEGRATION) && go build -o $(BIN)/bench ./bench
	@$(BIN)/bench $(ARGS)

# SEED=n repeats a schedule, LONG=1 is the long form, FENCE=off takes the fence away.
FAULTS = $(BIN)/faults -bin $(BIN) -temporal $(TEMPORAL_CLI) -fence $(or $(FENCE),on) $(if $(SEED),-seed $(SEED)) $(if $(LONG),-long) $(ARGS)

.PHONY: faults
faults: build-faults ## Kill, freeze and cut everything: the cells, then a random campaign (SEED=, LONG=1, FENCE=off)
	@$(FAULTS)

.PHONY: faults-short
faults-short: build-faults ## The same in under 5 minutes
	@$(FAULTS) -short

.PHONY: build-faults
build-faults: $(TEMPORAL_CLI)
	@$(INTEGRATION)/sqlstore/install-postgres.sh -try
	go build -o $(BIN)/carrier ./internal/carrier/cmd/carrier
	cd $(INTEGRATION) && go build -o $(BIN)/faults ./faults/cmd/faults
	cd $(INTEGRATION) && go build -tags voice_faults -o $(BIN)/faulthost ./faults/cmd/faulthost
	cd $(INTEGRATION) && go test -c -o $(BIN)/faults-virtual ./faults/virtual

.PHONY: lint
lint: $(BIN)/staticcheck $(BIN)/workflowcheck ## Check format, vet, staticcheck, workflow determinism
	@bad=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$bad" || { echo "gofmt would change: $$bad" >&2; exit 1; }
	go vet ./...
	cd $(INTEGRATION) && go vet ./...
	cd $(LIVEKIT) && go vet ./...
	cd examples && go vet ./...
	$(BIN)/staticcheck ./...
	$(BIN)/workflowcheck ./voicetask/...

.PHONY: fuzz
fuzz: ## Fuzz every decoder for a short while each (FUZZTIME=30s)
	@for p in ./voicetask ./provider ./provider/vapi ./provider/livekit; do \
		for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $${FUZZTIME:-30s} $$p; done; done

.PHONY: tidy-check
tidy-check: ## See that the module files are tidy
	go mod tidy -diff
	cd $(INTEGRATION) && go mod tidy -diff
	cd $(LIVEKIT) && go mod tidy -diff
	cd examples && go mod tidy -diff

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BIN)

.PHONY: build-demo
build-demo: $(BIN)/temporal
	go build -o $(BIN)/carrier ./internal/carrier/cmd/carrier
	cd examples && go build -o $(BIN)/ ./worker ./consumer ./demo

# The Temporal dev server takes minutes to build, once. TEMPORAL_CLI names another
# one: the tests run it where it is, the demo a copy.
OTHER_CLI := $(filter-out $(BIN)/temporal,$(TEMPORAL_CLI))
$(BIN)/temporal: internal/tools/go.mod internal/tools/go.sum
	@mkdir -p $(@D)
	@if [ -n "$(OTHER_CLI)" ]; then cp "$(OTHER_CLI)" $@; else \
		echo 'building the Temporal dev server (once, takes some minutes) ...' >&2; \
		cd internal/tools && go build -o $@ github.com/temporalio/cli/cmd/temporal; fi
	@touch $@

# The LiveKit server takes minutes to build, once.
$(BIN)/livekit-server: internal/tools/livekit/go.mod internal/tools/livekit/go.sum
	@mkdir -p $(@D)
	@echo 'building livekit-server (once, takes some minutes) ...' >&2
	@cd internal/tools/livekit && go build -o $@ github.com/livekit/livekit-server/cmd/server
	@touch $@

$(BIN)/staticcheck $(BIN)/workflowcheck: internal/tools/lint/go.mod internal/tools/lint/go.sum
	@mkdir -p $(@D)
	cd internal/tools/lint && go build -o $(BIN)/ honnef.co/go/tools/cmd/staticcheck go.temporal.io/sdk/contrib/tools/workflowcheck
	@touch $(BIN)/staticcheck $(BIN)/workflowcheck
