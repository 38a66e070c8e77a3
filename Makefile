# Leadline. `make run` builds and starts everything; `make test` runs every test. Both install what they need.
.PHONY: run demo test check check-deploy audit fuzz soak rehearse bench release up down tools dashboard program test-servers

# Starts Leadline with SQLite inside, on http://127.0.0.1:8080, with its data in ./data.
run: program
	@exec target/debug/leadline

# Fills a workspace with two years of sample data, prints how to sign in, and starts.
demo: program
	@target/debug/leadline demo
	@exec target/debug/leadline

# Everything that can be wrong: formatting, lints, contracts, units, stores, the system in every mode, the dashboard in a browser.
test: check test-servers
	@scripts/test

# What can be told without running anything.
check: tools dashboard
	@scripts/check

# The files of deploy/: images, compose, Kubernetes, metrics and alerts.
check-deploy:
	@scripts/check-deploy

# What it is built from: licences, sources, known vulnerabilities. The first time it builds cargo-deny, some ten minutes.
audit: tools
	@scripts/audit
	@scripts/audit-rust --install

# Throws bytes at all that reads strangers' bytes, a minute each. `make test` does the same for a moment.
fuzz:
	@scripts/fuzz

# Kills, cuts off and overloads it for an hour, with new seeds each round: MINUTES=10 for less. `make test` does a short round.
soak:
	@scripts/soak $(or $(MINUTES),60)

# The small cluster of deploy/kubernetes on this machine without containers: each program in a network and a root of its own, all of
# them replaced under load, and not one request may fail. Needs root and iproute2; `make test` does it where they are there.
rehearse: tools dashboard
	cargo build --quiet --locked --bins
	@scripts/rehearse

# Measures, on this machine; nothing here fails a build.
bench: tools dashboard
	@scripts/bench

# The programs as they are shipped, in target/release.
release: tools dashboard
	cargo build --release --locked --bins

# Five programs with a MongoDB and a RabbitMQ of their own, in containers. OBSERVE=yes adds Prometheus, Grafana and Tempo.
compose = docker compose --file deploy/compose.yaml $(if $(OBSERVE),--file deploy/compose.observability.yaml)
up:
	@deploy/secrets.sh
	@$(compose) up --build --detach
	@echo "Leadline is at http://$$($(compose) port gateway 8080)"

# Ends them. Their data stays in volumes.
down:
	@docker compose --file deploy/compose.yaml down --remove-orphans

program: tools dashboard
	@test -x target/debug/leadline || echo 'Building Leadline (the first time about four minutes on two cores) …'
	@cargo build --quiet --locked --package leadline

dashboard: tools
	@scripts/build-dashboard

tools:
	@scripts/check-tools

test-servers:
	@scripts/install-test-servers
