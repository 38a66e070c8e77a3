# Leadline. `make run` builds and starts everything; `make test` runs every test. Both install what they need.
.PHONY: run demo test check bench release tools dashboard program test-servers

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

# Measures, on this machine; nothing here fails a build.
bench: tools dashboard
	@scripts/bench

# The programs as they are shipped, in target/release.
release: tools dashboard
	cargo build --release --locked --bins

program: tools dashboard
	@test -x target/debug/leadline || echo 'Building Leadline (the first time about four minutes on two cores) …'
	@cargo build --quiet --locked --package leadline

dashboard: tools
	@scripts/build-dashboard

tools:
	@scripts/check-tools

test-servers:
	@scripts/install-test-servers
