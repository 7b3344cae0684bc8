# GNU make 3.81 (the one on macOS) and a POSIX sh are enough.
#
# `setup` is three steps, each with its stamp in .stamps/: tools (what the machine has), venv (what
# requirements/dev.txt pins) and wheel (the package, built and installed). With fresh stamps nothing runs.

.PHONY: help setup run recover test test-combinations check demo bench soak hygiene faults mutate docs lock FORCE

help:
	@echo 'make run     the service on testnet, in development mode, data in .demo-data'
	@echo 'make test    the Rust tests, then the Python tests'
	@echo 'make test-combinations  what speaks HTTP, with keys here and at AWS, and state in SQLite and PostgreSQL'
	@echo 'make demo    the service and the sandbox together, start to end'
	@echo '             (ARGS=--mpc: large orders by a wallet in shares, and cosigners that are killed)'
	@echo 'make bench   speed and memory: the service, the core and what they are measured against, in 10 minutes'
	@echo '             (ARGS=--quick in 90 s; ARGS="http --only sign --connections 64"; docs/bench.md)'
	@echo 'make hygiene no key in memory, logs, answers, errors or files: 100,000 requests to every route, then a search'
	@echo 'make soak    four hours of mixed load: nothing may go on growing (ARGS="--hours 1")'
	@echo 'make faults  every kill and fault in the long form, more than an hour: strace, kill -9, full and broken disks'
	@echo 'make mutate  each small change of what decides over access must make a test fail, about 15 minutes (ARGS=rules)'
	@echo 'make check   formatting, lints, types and import contracts'
	@echo 'make recover the program that puts keys together, into .venv/bin (docs/recovery.md)'
	@echo 'make setup   only what the others need first: .venv and the package built into it'
	@echo 'make docs    docs/errors.md, the entries of docs/troubleshooting.md, the names in docs/metrics.md and the alarms again'
	@echo 'make lock    requirements/*.txt again from pyproject.toml (ARGS=--upgrade for newer versions)'
	@echo 'ARGS="..." is handed on to the service (run), pytest (test), the demo or the bench; PYTHON=... prefers an interpreter'

# Before a recipe calls cargo: the chosen one and its rustc come first, and pyo3 asks our interpreter.
WITH_CARGO = . ./.stamps/tools; PATH="$${CARGO%/*}:$$PATH"; PYO3_PYTHON='$(CURDIR)/.venv/bin/python'; \
	export PATH PYO3_PYTHON

# ---- setup -------------------------------------------------------------------------------------------

# A stamp says nothing about what was removed, moved or asked for since, so these two look. With the first undone the second is too.
TOOLS_STAND := $(shell . ./.stamps/tools 2>/dev/null && test -x "$$PYTHON" && test -x "$$CARGO" \
	&& test -x "$$COMPILER" && { test -z '$(PYTHON)' || test '$(PYTHON)' = "$$WANTED"; } && echo yes)
VENV_STANDS := $(if $(TOOLS_STAND),$(shell . ./.stamps/tools && test -x .venv/bin/python \
	&& test "$$(cat .stamps/venv 2>/dev/null)" = "$$PYTHON_VERSION $(CURDIR)" && echo yes))

# Folders are inputs as well: a removed file leaves no other trace.
WHEEL_INPUTS := Cargo.toml Cargo.lock pyproject.toml $(wildcard README.md LICENSE) $(shell \
	find core cosign src -name __pycache__ -prune -o -name '.?*' -prune -o -name target -prune -o \
	\( -type d -o -path 'core/*' -o -path 'cosign/*' -o -name '*.py' -o -name '*.pyi' -o -name py.typed \) -print)

setup: .stamps/wheel

.stamps/tools: scripts/preflight.sh Cargo.toml $(if $(TOOLS_STAND),,FORCE)
	@PYTHON='$(PYTHON)' sh scripts/preflight.sh

# The stamp holds the version and the folder: scripts in .venv/bin name their interpreter by its full path,
# and so a clone that was moved needs a new one.
.stamps/venv: requirements/dev.txt .stamps/tools $(if $(VENV_STANDS),,FORCE)
	@set -e; . ./.stamps/tools; made_for="$$PYTHON_VERSION $(CURDIR)"; \
	if test "$$(cat .stamps/venv 2>/dev/null)" != "$$made_for" || ! .venv/bin/python -m pip --version >/dev/null 2>&1; \
	then \
		echo "setup: making .venv with Python $$PYTHON_VERSION"; \
		rm -rf .venv .stamps/venv; \
		"$$PYTHON" -m venv .venv; \
	fi; \
	echo 'setup: installing the pinned packages of requirements/dev.txt (about a minute the first time)'; \
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.txt; \
	echo "$$made_for" >.stamps/venv

# The stamp bears the time at which the build began, so that a file saved during it counts as newer.
# Cargo keeps what it compiled: after an edit of Python alone only the wheel is packed again.
.stamps/wheel: .stamps/venv $(WHEEL_INPUTS)
	@set -e; $(WITH_CARGO); \
	echo 'setup: building and installing the package (a minute or two the first time, then seconds)'; \
	touch .stamps/wheel.begun; \
	rm -f target/wheels/hyperkms*.whl; \
	for manifest in core cosign; do \
		.venv/bin/maturin build --release --locked --interpreter .venv/bin/python --out target/wheels \
			--manifest-path $$manifest/Cargo.toml; \
	done; \
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall \
		target/wheels/hyperkms*.whl; \
	mv .stamps/wheel.begun .stamps/wheel

# ---- use ---------------------------------------------------------------------------------------------

run: setup
	@exec env HYPERKMS_ENV=development HYPERKMS_NETWORK="$${HYPERKMS_NETWORK:-testnet}" \
		.venv/bin/hyperkms serve --data .demo-data $(ARGS)

# The program that puts keys together (docs/recovery.md); nothing else installs it.
recover: .stamps/venv
	@set -e; $(WITH_CARGO); \
	cargo build --release --locked --package hyperkms-recover; \
	install -m 0755 target/release/hyperkms-recover .venv/bin/hyperkms-recover; \
	echo 'recover: .venv/bin/hyperkms-recover'

demo: setup
	@exec env HYPERKMS_ENV=development .venv/bin/python -m demo $(ARGS)

# Fails on no figure: it measures. Linux; where Node is, it installs bare Fastify handlers into target/bench.
bench: setup
	@exec .venv/bin/python -m bench $(ARGS)

# Four hours of mixed load with faults in it; fails where memory, descriptors or threads go on growing. Linux.
soak: setup
	@exec .venv/bin/python -m bench.soak $(ARGS)

# Its short form is part of `make test`.
hygiene: setup
	@HYPERKMS_HYGIENE_REQUESTS="$${HYPERKMS_HYGIENE_REQUESTS:-100000}" \
		HYPERKMS_TEST_MPC_SIGNATURES="$${HYPERKMS_TEST_MPC_SIGNATURES:-1000}" .venv/bin/python -m pytest tests/hygiene $(ARGS)

# Where state and keys can be: HYPERKMS_TEST_CUSTODY, HYPERKMS_TEST_DATABASE. What speaks HTTP runs on each; CI runs the
# last in full, and every route of the others once (tests/scenarios/test_every_route_on_every_back_end.py).
ELSEWHERE = aws-kms+aws-secrets-manager,postgresql aws-kms,postgresql file,postgresql
COMBINATIONS = $(ELSEWHERE) file,sqlite

# What CI runs in a short form. Kills at named points 50 times each, then 200 at random moments.
LONG = .venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --timeout 3600 $(ARGS)

faults: setup
	@set -e; \
	echo 'faults: what the kernel saw, full and broken disks'; \
	HYPERKMS_TEST_SIGNATURES=2500 $(LONG) tests/faults/test_durable_before_release.py tests/faults/test_failing_disk.py \
		tests/faults/test_space_kept_for_cancels.py; \
	echo 'faults: kills at named points, and races'; \
	HYPERKMS_TEST_KILLS=50 HYPERKMS_TEST_ROTATIONS=1000 HYPERKMS_TEST_ROUNDS=256 $(LONG) \
		tests/scenarios/test_kill_under_a_key.py tests/scenarios/test_kill_during_life.py \
		tests/scenarios/test_callers_of_one_key.py tests/faults/test_limits_over_time.py; \
	echo 'faults: cosigners stopped, killed and flooded'; \
	HYPERKMS_TEST_STOP_S=10 HYPERKMS_TEST_MPC_SIGNATURES=1000 HYPERKMS_TEST_MALFORMED=100000 \
		HYPERKMS_TEST_NONCE_RACES=100000 $(LONG) tests/faults/test_cosigners_lost.py tests/faults/test_cut_links.py \
		tests/faults/test_raced_commitments.py; \
	echo 'faults: the coordinator and each cosigner killed at every step, with every set of cosigners that did it'; \
	HYPERKMS_TEST_KILLS=1 $(LONG) tests/faults/test_killed_coordinator.py tests/faults/test_killed_at_a_refresh.py \
		tests/faults/test_killed_at_a_replacement.py tests/faults/test_killed_while_joining.py; \
	echo 'faults: AWS on a bad day, each fault at each call 20 times'; \
	HYPERKMS_TEST_AWS_FAULTS=20 HYPERKMS_TEST_AWS_RACES=1000 $(LONG) tests/faults/test_aws_faults.py \
		tests/faults/test_races_under_aws_faults.py; \
	echo 'faults: kills at random moments'; \
	HYPERKMS_TEST_KILLS=200 $(LONG) tests/scenarios/test_kill_at_rotations.py \
		tests/scenarios/test_kill_during_generate.py tests/faults/test_kill_while_signing.py tests/faults/test_killed_in_shares.py; \
	for each in $(ELSEWHERE); do \
		echo "faults: kills where keys and state are elsewhere: $$each"; \
		HYPERKMS_TEST_CUSTODY="$${each%,*}" HYPERKMS_TEST_DATABASE="$${each#*,}" \
			HYPERKMS_TEST_KILLS=50 HYPERKMS_TEST_ROTATIONS=1000 HYPERKMS_TEST_ROUNDS=256 $(LONG) \
			tests/scenarios/test_kill_under_a_key.py tests/scenarios/test_kill_during_life.py; \
		HYPERKMS_TEST_CUSTODY="$${each%,*}" HYPERKMS_TEST_DATABASE="$${each#*,}" HYPERKMS_TEST_KILLS=200 $(LONG) \
			tests/scenarios/test_kill_at_rotations.py tests/scenarios/test_kill_during_generate.py; \
	done

# Two changes at a time, each with the unit tests of its module alone; fails below 90 %.
mutate: setup
	@exec .venv/bin/python scripts/mutate.py $(ARGS)

# ---- work --------------------------------------------------------------------------------------------

# One more than there are processors, 4 at most: a test that waits for a process or a disk leaves its processor idle.
WORKERS = $(shell n=$$(getconf _NPROCESSORS_ONLN); test "$$n" -lt 4 && echo "$$((n + 1))" || echo 4)

# One build makes the Rust tests and the recover program: two would compile what they share twice, with other features.
# It is of the release profile, so that what the wheels need is there already; but our own code asserts what it does when
# it is debugged, and what is generic in the curve takes minutes to optimise.
RUST_TESTS = --release --locked --workspace --features hyperkms-core/kms \
	--config profile.release.package.hyperkms-cosign.opt-level=1 \
	$(foreach crate,core cosign recover,--config profile.release.package.hyperkms-$(crate).debug-assertions=true)

# src is not on the path of pytest: the tests meet the installed package, the only one with a core. Files go to the
# workers in the order of tests/conftest.py, and not the ones with most tests first: those are quick, and fill the end.
test: setup
	@set -e; $(WITH_CARGO); \
	echo 'test: the Rust tests'; \
	cargo build $(RUST_TESTS) --tests --bins; \
	cargo test $(RUST_TESTS); \
	export HYPERKMS_RECOVER='$(CURDIR)/target/release/hyperkms-recover'; \
	echo 'test: the Python tests, against the installed package'; \
	.venv/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-combinations: setup
	@set -e; $(WITH_CARGO); \
	cargo build $(RUST_TESTS) --bins; \
	export HYPERKMS_RECOVER='$(CURDIR)/target/release/hyperkms-recover' HYPERKMS_REQUIRE_POSTGRES=1; \
	for each in $(COMBINATIONS); do \
		echo "test-combinations: $$each"; \
		HYPERKMS_TEST_CUSTODY="$${each%,*}" HYPERKMS_TEST_DATABASE="$${each#*,}" .venv/bin/python -m pytest \
			--numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder -rfEs $(ARGS) \
			tests/conformance tests/fuzz tests/scenarios tests/threshold; \
	done

check: setup
	@$(WITH_CARGO); found=yes; \
	cargo clippy --version >/dev/null 2>&1 || { found=no; echo 'check: missing: clippy | rustup: rustup component add clippy | Debian: sudo apt-get install rust-clippy | Fedora: sudo dnf install clippy | macOS: brew install rust' >&2; }; \
	cargo fmt --version >/dev/null 2>&1 || { found=no; echo 'check: missing: rustfmt | rustup: rustup component add rustfmt | Debian: sudo apt-get install rustfmt | Fedora: sudo dnf install rustfmt | macOS: brew install rust' >&2; }; \
	test $$found = yes
	@echo 'check: ruff'
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@echo 'check: mypy'
	@.venv/bin/mypy src tests demo bench scripts
	@echo 'check: import contracts'
	@.venv/bin/lint-imports
	@echo 'check: cargo fmt'
	@$(WITH_CARGO); cargo fmt --all --check
	@echo 'check: cargo clippy'
	@$(WITH_CARGO); cargo clippy --release --workspace --all-targets --all-features --locked -- -D warnings

docs: setup
	@.venv/bin/python scripts/make_docs.py
	@.venv/bin/python scripts/make_alarms.py

COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url pyproject.toml

# uv keeps the versions it finds in its output file. So dev.txt is solved first, and run.txt starts as a
# copy of it: what is installed to run is what was tested.
lock: .stamps/venv
	@set -e; \
	echo 'lock: solving requirements/dev.txt and requirements/run.txt'; \
	cp requirements/dev.txt .stamps/dev.txt; \
	$(COMPILE) --extra aws --extra postgres --extra sandbox --group test --group demo --group bench $(ARGS) -o .stamps/dev.txt >/dev/null; \
	cp .stamps/dev.txt .stamps/run.txt; \
	$(COMPILE) --extra aws --extra postgres -o .stamps/run.txt >/dev/null; \
	if grep -n '://' .stamps/dev.txt .stamps/run.txt; then \
		echo 'lock: an address got into the pins above; nothing was changed' >&2; exit 1; \
	fi; \
	mv .stamps/dev.txt requirements/dev.txt; \
	mv .stamps/run.txt requirements/run.txt

FORCE:
