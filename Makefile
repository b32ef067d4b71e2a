# Every target may be called on a fresh machine; what it needs besides Rust it installs, or says how.

.DEFAULT_GOAL := help
.PHONY: help run test check capability bench chaos fuzz client stripe-mock prepare clean

help: ## This list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## Start PostgreSQL, Kafka and the platform with a lively demo; Ctrl-C stops them, data stays in .run (ARGS=)
	@infra/run.sh $(ARGS)

test: ## Run all tests on a PostgreSQL and a Kafka of their own (ARGS=)
	@infra/test.sh $(ARGS)

check: ## Formatting, lints, documentation, dependencies, queries
	@infra/check.sh

capability: ## Write the six files of a new capability and name it in each layer (NAME=commerce/coupon)
	@NAME="$(NAME)" infra/capability.sh

bench: ## Measure this store beside its peers (ARGS=)
	@infra/bench.sh $(ARGS)

chaos: ## The promises in their long forms: kills, zombies, outages (SEED=, CHAOS_SECONDS=)
	@SEED="$(SEED)" CHAOS_SECONDS="$(CHAOS_SECONDS)" infra/chaos.sh

fuzz: ## Fuzz the API from its own OpenAPI document (SEED=, FUZZ_SECONDS=)
	@SEED="$(SEED)" FUZZ_SECONDS="$(FUZZ_SECONDS)" infra/fuzz.sh

client: ## Generate a Python client from the API document, and use it on a running platform
	@infra/client.sh

stripe-mock: ## Ask stripe-mock whether what is asked of Stripe is spelled right (needs Go)
	@infra/stripe-mock.sh

prepare: ## Write .sqlx anew after a change of SQL or migrations
	@infra/sqlx-prepare.sh

clean: ## Stop what still runs here and remove all data and builds, the demo's too
	@infra/clean.sh
