# The whole workflow. `make` alone lists it; `make demo` and `make test` set up what they need by themselves.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PY := $(BIN)/python

# Another virtual environment may be active where make is called; the one of this project is meant.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help demo test test-software test-others test-objc check-apple-sdk build lint format test-asan test-tsan soak fuzz \
	test-array-api bench bench-peers bench-smoke bench-compare wheel sdist annotate docs-test clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.with-base build ## compile and run the kernels of examples/, and draw a picture
	@$(PY) examples/demo.py

test: $(VENV)/.with-test build ## run the tests of the C runtime, of Python, of both executors and of Apple's driver, and each benchmark once
	@$(MAKE) -s -C tests/native test
	@$(MAKE) -s -j2 $(SYNC) test-software test-others

# Half of the time is waiting for one process: the two run side by side, and each prints when it is done.
SYNC = $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

test-software: $(VENV)/.with-test build
	@$(PY) -m pytest -q --benchmark-disable tests benchmarks

test-others: $(VENV)/.with-test build
	@METALPY_EXECUTOR=reference $(PY) -m pytest -q tests/msl
	@tools/test_objc.sh $(PY)

test-objc: $(VENV)/.with-test build ## run the device tests on Apple's driver over a stand-in for Metal
	@tools/test_objc.sh $(PY)

check-apple-sdk: $(VENV)/.with-base ## SDK=/path/to/MacOSX.sdk: compile and link Apple's driver against Apple's headers
	@test -n "$(SDK)" || { echo "usage: make check-apple-sdk SDK=/path/to/MacOSX.sdk"; exit 2; }
	@tools/check_apple_sdk.sh $(PY) "$(SDK)"

build: $(VENV)/.with-base ## compile the extension modules in place, where sources have changed
	@$(PY) setup.py -q build_ext --inplace

lint: $(VENV)/.with-dev ## ruff, mypy and cython-lint over everything
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "make format would change the files above"; exit 1; }
	@PATH="$(abspath $(BIN)):$$PATH" cython-lint metalpy tests
	@$(BIN)/mypy
	@echo "lint: clean"

format: $(VENV)/.with-dev ## let ruff format and mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

test-asan: $(VENV)/.with-test ## C tests, then part of the Python suite, under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory -C tests/native test-asan
	@tools/test_objc.sh --asan
	@tools/test_sanitized.sh address $(PY)

test-tsan: $(VENV)/.with-test ## C tests, then threads, streams and events from Python, under ThreadSanitizer
	@$(MAKE) --no-print-directory -C tests/native test-tsan
	@tools/test_sanitized.sh thread $(PY)

soak: $(VENV)/.with-test build ## OPERATIONS=2000000: mixed work from 8 threads; results stay right and memory flat
	@$(PY) tools/soak.py $(if $(OPERATIONS),--operations $(OPERATIONS))

fuzz: $(VENV)/.with-test build ## SECONDS=600 [SEED=n]: random kernels on every executor, against an evaluator in NumPy
	@$(PY) -m tests.fuzz --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

SUITE_RUN = ARRAY_API_TESTS_MODULE=metalpy_for_suite ARRAY_API_TESTS_SKIP_DTYPES=float64 \
	PYTHONPATH="$(abspath tests/array_api)" "$(abspath $(PY))" -m pytest -q -p no:cacheprovider -W ignore \
	--disable-deadline --max-examples $(or $(EXAMPLES),20) --hypothesis-seed=$(or $(SEED),0) \
	--skips-file="$(abspath tests/array_api/skips.txt)"

test-array-api: $(VENV)/.with-array-api build ## SUITE=/path/to/array-api-tests [EXAMPLES=20] [SEED=0] [ONLY=sum]: the standard's own tests
	@test -e "$(SUITE)/array-api/spec" || { echo "usage: make test-array-api SUITE=/path/to/array-api-tests, \
	with its submodule array-api"; exit 2; }
	@cd "$(SUITE)" && $(SUITE_RUN) $(if $(ONLY),-k "$(ONLY)") array_api_tests

BENCH = $(PY) -m pytest -q --benchmark-only --benchmark-autosave --benchmark-storage=.benchmarks \
	--benchmark-columns=median,iqr,min,rounds --benchmark-sort=name $(if $(ONLY),-k "$(ONLY)")

bench: $(VENV)/.with-peers build ## run the benchmarks and keep the results, with machine and commit, in .benchmarks/
	@$(BENCH) benchmarks

bench-peers: $(VENV)/.with-peers build ## [ONLY="saxpy or scan"]: kernels against OpenCL on the CPU, NumPy and Numba
	@$(BENCH) benchmarks/bench_peers.py

bench-smoke: $(VENV)/.with-test build ## run each benchmark once, without timing, to see that it works
	@$(PY) -m pytest -q benchmarks --benchmark-disable

bench-compare: ## BASE=<commit> [HEAD=<commit>] [RUNS=5] [ONLY=<expression>]: which benchmarks changed between commits
	@test -n "$(BASE)" || { echo "usage: make bench-compare BASE=<commit> [HEAD=<commit>] [RUNS=5] [ONLY=launch]"; exit 2; }
	@$(PYTHON) benchmarks/compare.py "$(BASE)" --head "$(or $(HEAD),HEAD)" --runs "$(or $(RUNS),5)" \
		$(if $(ONLY),--only "$(ONLY)")

wheel: $(VENV)/.with-base ## build a wheel into dist/
	@$(PY) -m pip wheel -q --no-deps --no-build-isolation --wheel-dir dist . && ls dist/*.whl

sdist: $(VENV)/.with-base ## build a source archive into dist/
	@$(PY) setup.py -q sdist && ls dist/*.tar.gz

annotate: $(VENV)/.with-base ## write Cython's annotated HTML beside each .pyx: yellow lines call into Python
	@METALPY_ANNOTATE=1 $(PY) setup.py -q build_ext --inplace --force && ls metalpy/_core/*.html

docs-test: $(VENV)/.with-test build ## run every example of README.md and docs/
	@$(PY) -m pytest -q tests/docs

clean: ## remove what was built; .venv and .benchmarks/ stay
	@rm -rf build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@rm -f metalpy/_core/*.c metalpy/_core/*.html metalpy/_core/*.so
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@rm -f $(VENV)/.with-*
	@$(MAKE) --no-print-directory -s -C tests/native clean

# ---- the virtual environment: made from the project's own files, once for each set of extras ----

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit("metalpy needs Python 3.11 or newer, and $(PYTHON) is " \
		+ sys.version.split()[0] + "; name another with make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# Building without isolation reuses the Cython and setuptools of $(VENV) later, when only sources have changed.
$(VENV)/.with-%: pyproject.toml setup.py | $(PY)
	@echo "installing metalpy into $(VENV) (for: $*); about a minute the first time"
	@$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		> $(VENV)/build-requires.txt
	@$(PY) -m pip install -q --disable-pip-version-check -r $(VENV)/build-requires.txt
	@$(PY) -m pip install -q --disable-pip-version-check --no-build-isolation -e '.$(if $(filter base,$*),,[$*])'
	@touch $@ $(VENV)/.with-base $(if $(filter array-api dev peers,$*),$(VENV)/.with-test)
