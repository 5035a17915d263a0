# What people and CI run: `make help` lists it.
#
# Each target makes the virtual environment that it needs, once. Stamps in the environment say
# what it was made from, so a second run installs nothing and needs no network, and a changed
# source is rebuilt with the tools that are already there.

PYTHON ?= python3
VENV ?= .venv
DEMO_VENV ?= .venv-demo
BENCH_VENV ?= .venv-bench
WHEEL_VENV ?= .venv-wheel
FUZZ_SECONDS ?= 60
WERROR ?= ON
# A process for each processor; the tests are independent of each other.
PYTEST_ARGS ?= --numprocesses=auto --dist=worksteal

BIN := $(VENV)/bin

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: help demo quick test test-all coverage bench adapters quantised formats lint format build \
  dev sanitize fuzz fuzz-kernel fuzz-python kernel-symbols wheel wheel-check clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: PYTHON, CXX, VENV, DEMO_VENV, BENCH_VENV, WHEEL_VENV, PYTEST_ARGS," \
	  "SAPWOOD_KILLS, BENCH_ARGS, FUZZ_SECONDS, FUZZ_CXX, FUZZ_WITHOUT_ATHERIS, WERROR"

demo: $(DEMO_VENV)/installed ## patch published models and print the table
	$(DEMO_VENV)/bin/python examples/demo/demo.py

# An editable install is taken as it is: this is what one runs between two edits.
quick: $(VENV)/$(if $(wildcard $(VENV)/editable),dependencies,installed) ## the tests of a minute
	$(BIN)/python -m pytest -m quick --hypothesis-profile=quick $(PYTEST_ARGS)

test: lint kernel-symbols ## check style, types and imports, then run every test
	$(BIN)/python -m pytest -m 'not services' $(PYTEST_ARGS)

# Tests that kill or refuse calls of the system choose some of them, and all with this.
test-all: export SAPWOOD_KILLS = all
test-all: test ## the same, with a kill at every call: what CI runs

# Exit code 1 is let pass: a test of what a process loads, holds or takes finds coverage.py in it
# and may fail. What fails is for `make test` to say; what ran before is covered.
coverage: $(VENV)/installed ## measure what the tests run of each room, for docs/quality.md
	@rm -rf build/coverage
	$(BIN)/coverage run -m pytest -m 'not services' $(PYTEST_ARGS) || test $$? -eq 1
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet -o build/coverage/report.json
	$(BIN)/python quality/coverage_page.py build/coverage/report.json docs/quality.md

lint: $(VENV)/dependencies ## ruff, mypy and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports --no-logo

format: $(VENV)/dependencies ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH_VENV)/installed build/checkpoints/base.bf16.safetensors demo ## measure against peers
	$(BENCH_VENV)/bin/python benchmarks/run.py --pairs build/checkpoints \
	  --published .cache/demo/models \
	  --out docs/benchmarks.json $(BENCH_ARGS)
	$(BENCH_VENV)/bin/python benchmarks/report.py docs/benchmarks.json docs/benchmarks.md

formats: $(BENCH_VENV)/installed ## measure published models of every format
	$(BENCH_VENV)/bin/python benchmarks/published_formats.py --out docs/formats.json
	$(BENCH_VENV)/bin/python benchmarks/report.py docs/benchmarks.json docs/benchmarks.md

adapters: $(BENCH_VENV)/installed build/checkpoints/base.bf16.safetensors
adapters: build/adapters/base.bf16.safetensors ## measure merged adapters and merged models
	$(BENCH_VENV)/bin/python benchmarks/merge_models.py build/checkpoints build/merges
	$(BENCH_VENV)/bin/python benchmarks/simulated_merges.py build/simulated
	$(BENCH_VENV)/bin/python benchmarks/adapters.py --adapters build/adapters \
	  --merges build/merges --simulated build/simulated --checkpoints build/checkpoints \
	  --out docs/adapters.json $(BENCH_ARGS)
	$(BENCH_VENV)/bin/python benchmarks/report.py docs/benchmarks.json docs/benchmarks.md

quantised: $(BENCH_VENV)/installed build/checkpoints/base.bf16.safetensors ## measure GGUF models
	$(BENCH_VENV)/bin/python benchmarks/quantise_checkpoints.py \
	  --checkpoints build/checkpoints --out build/quantised
	$(BENCH_VENV)/bin/python benchmarks/quantised.py --quantised build/quantised \
	  --out docs/gguf.json $(BENCH_ARGS)
	$(BENCH_VENV)/bin/python benchmarks/report.py docs/benchmarks.json docs/benchmarks.md

build/checkpoints/base.bf16.safetensors: benchmarks/finetune_encoder.py | $(BENCH_VENV)/installed
	$(BENCH_VENV)/bin/python $< $(@D)
	@touch $@

build/adapters/base.bf16.safetensors: benchmarks/train_adapters.py | $(BENCH_VENV)/installed
	$(BENCH_VENV)/bin/python $< $(@D)
	@touch $@

build: $(VENV)/installed ## bring the environment up to date with the sources

# Python is then read from src/ itself; the kernel still needs `make dev` after a change to it.
# Without the stamp, the next `make test` installs the package as its users do.
dev: $(VENV)/dependencies ## install in editable form
	$(call install,$(VENV),--editable)
	@rm -f $(VENV)/installed
	@touch $(VENV)/editable

sanitize: $(VENV)/dependencies ## run the kernel's C++ tests under the sanitizers
	$(CMAKE) -S kernel -B build/sanitize $(CMAKE_ARGS) \
	  -DSAPWOOD_KERNEL_TESTS=ON -DSAPWOOD_SANITIZE=ON
	$(CMAKE) --build build/sanitize
	$(BIN)/ctest --test-dir build/sanitize --output-on-failure

# What earlier calls left in dist/ stays there, so that another interpreter's wheel may join it.
wheel: $(WHEEL_VENV)/dependencies ## build a manylinux wheel and an sdist into dist/
	@rm -rf $(BUILT)
	$(WITH_BUILDERS) python -m build --no-isolation --sdist --wheel --outdir $(BUILT) \
	  --config-setting=build-dir=$(call build_dir,$(WHEEL_VENV))
	$(WITH_BUILDERS) auditwheel repair --wheel-dir $(BUILT)/repaired $(BUILT)/*.whl
	@mkdir -p dist
	cp $(BUILT)/repaired/*.whl $(BUILT)/*.tar.gz dist

wheel-check: wheel ## install both as strangers do, and run the README's Python
	$(WHEEL_VENV)/bin/python quality/distributions.py $(BUILT)/repaired/*.whl $(BUILT)/*.tar.gz

BUILT = build/distributions
WITH_BUILDERS = PATH="$(abspath $(WHEEL_VENV))/bin:$$PATH"

fuzz: fuzz-kernel fuzz-python ## fuzz for four times FUZZ_SECONDS, the kernel for one of them

clean: ## remove what was built
	rm -rf build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -f $(foreach venv,$(VENV) $(DEMO_VENV) $(BENCH_VENV),$(venv)/installed)

distclean: clean ## remove the environments too
	rm -rf $(VENV) $(DEMO_VENV) $(BENCH_VENV) $(WHEEL_VENV)

kernel-symbols: $(VENV)/installed
	@$(BIN)/python quality/kernel_symbols.py $(call build_dir,$(VENV))

# Environments

CMAKE = $(BIN)/cmake
CMAKE_ARGS = -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) \
  -DCMAKE_COMPILE_WARNING_AS_ERROR=$(WERROR)
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check

# Folders are in the list because their time changes when a file comes or goes.
SOURCES := pyproject.toml CMakeLists.txt README.md LICENSE NOTICE \
  $(shell find kernel src -name __pycache__ -prune -o -print)

# Prints what the package itself needs and the named extras and dependency groups.
PRINT_REQUIREMENTS = import sys, tomllib; \
  toml = tomllib.load(open("pyproject.toml", "rb")); \
  lists = toml["project"]["optional-dependencies"] | toml["dependency-groups"]; \
  print(*toml["project"]["dependencies"], *sum((lists[name] for name in sys.argv[1:]), []), sep="\n")

%/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Sapwood needs Python 3.11 or newer, and $(PYTHON) is not." \
	    "Name another one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $*

$(VENV)/requirements.txt: NEEDS = build lint test
$(DEMO_VENV)/requirements.txt: NEEDS = build
$(BENCH_VENV)/requirements.txt: NEEDS = build bench
$(WHEEL_VENV)/requirements.txt: NEEDS = build wheel

# Replaced only where it differs: other edits of pyproject.toml leave the environment alone.
%/requirements.txt: %/bin/python pyproject.toml
	@$< -c '$(PRINT_REQUIREMENTS)' $(NEEDS) > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

%/dependencies: %/requirements.txt
	$*/bin/python $(PIP_INSTALL) --requirement $<
	@touch $@

# Without build isolation: the environment holds CMake, Ninja and nanobind, so that the machine
# needs a compiler and nothing more. The build folder is kept, one for each environment.
define install
PATH="$(abspath $(1))/bin:$$PATH" $(1)/bin/python $(PIP_INSTALL) \
  --no-build-isolation --no-deps --force-reinstall \
  --config-settings=build-dir=$(call build_dir,$(1)) $(2) .
endef
build_dir = build/$(patsubst .%,%,$(notdir $(1)))

# The stamp is as old as the start of the build: what is edited meanwhile is built the next time.
%/installed: %/dependencies $(SOURCES)
	@touch $@.new
	$(call install,$*)
	@rm -f $*/editable
	@mv $@.new $@

# Fuzzing: libFuzzer for the kernel, atheris for the Python above it

FUZZ_CXX ?= $(firstword $(wildcard $(foreach dir,$(subst :, ,$(PATH)), \
  $(dir)/clang++ $(dir)/clang++-1[4-9] $(dir)/clang++-2[0-9])))
# One for each compiler: CMake forgets the options when it finds another one.
FUZZ_BUILD = build/fuzz-$(notdir $(FUZZ_CXX))
FUZZ_TARGETS = $(shell grep -l 'import atheris' fuzz/*.py 2>/dev/null)
# The targets in Python share three times what the kernel has: more of them take no longer.
FUZZ_SHARE = $(if $(FUZZ_TARGETS),$(shell expr 3 '*' $(FUZZ_SECONDS) / $(words $(FUZZ_TARGETS))))

# Files in build/fuzz that a crash leaves behind are its input.
FUZZ_ARGS = -timeout=20 -rss_limit_mb=2048 \
  -artifact_prefix=build/fuzz/ -print_final_stats=1

fuzz-kernel: $(VENV)/dependencies
	@test -n "$(FUZZ_CXX)" || { echo "Fuzzing the kernel needs clang++ 14 or newer with its" \
	  "libFuzzer (Debian: clang-14 libclang-rt-14-dev), or FUZZ_CXX=its path." >&2; exit 1; }
	$(CMAKE) -S kernel -B $(FUZZ_BUILD) $(CMAKE_ARGS) -DSAPWOOD_FUZZ=ON \
	  -DCMAKE_CXX_COMPILER=$(FUZZ_CXX)
	$(CMAKE) --build $(FUZZ_BUILD)
	@mkdir -p build/fuzz/kernel
	$(FUZZ_BUILD)/fuzz_decode -max_total_time=$(FUZZ_SECONDS) $(FUZZ_ARGS) -len_control=0 -max_len=1500 build/fuzz/kernel

# atheris has wheels for some versions of Python only. Where it does not run, this fails, so that
# nobody takes for fuzzed what was not; with FUZZ_WITHOUT_ATHERIS=1 it says so and ends.
IMPORT_ATHERIS = $(BIN)/python -c 'import atheris'
fuzz-python: $(VENV)/installed $(VENV)/fuzz-requirements.txt
	@test -n "$(FUZZ_TARGETS)" || { echo "No file in fuzz/ imports atheris." >&2; exit 1; }
	@if ! $(IMPORT_ATHERIS) 2>/dev/null && \
	    ! { $(BIN)/python $(PIP_INSTALL) --requirement $(VENV)/fuzz-requirements.txt && \
	    $(IMPORT_ATHERIS); }; then \
	  echo "NOT FUZZED: atheris does not run here, so no target in fuzz/ did." >&2; \
	  test "$(FUZZ_WITHOUT_ATHERIS)" = 1 && exit 0; \
	  echo "FUZZ_WITHOUT_ATHERIS=1 lets that pass; PYTHON names another interpreter." >&2; \
	  exit 1; \
	fi; \
	for target in $(FUZZ_TARGETS); do \
	  name=$$(basename $$target .py); found=build/fuzz/$$name; mkdir -p $$found; \
	  echo "$(BIN)/python $$target"; \
	  $(BIN)/python $$target -max_total_time=$(FUZZ_SHARE) $(FUZZ_ARGS) \
	    $$found fuzz/corpus/$${name#fuzz_} || exit 1; \
	done

$(VENV)/fuzz-requirements.txt: $(VENV)/bin/python pyproject.toml
	@$< -c '$(PRINT_REQUIREMENTS)' fuzz > $@
