.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEVICE := cpu
UV := 0.13.9
STAMP := $(VENV)/installed

help: ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

install: $(STAMP) ## Make .venv from the pinned lock and install this folder into it

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "denoisebench needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $(STAMP)

demo: install ## Sweep the embedded model and write its report
	$(BIN)/denoisebench demo

# Cells of the demo, of which the picture of the gate is; after them someone changed the spacing.
GATED := scheduler=ddim steps=4,8 guidance=4 latency.timed_runs=0

pictures: demo ## Copy the demo's pictures into docs/pictures, where README and docs show them
	mkdir -p docs/pictures
	$(BIN)/denoisebench sweep experiment=demo $(GATED) store=runs/demo run=before
	$(BIN)/denoisebench sweep experiment=demo $(GATED) scheduler.flags.timestep_spacing=trailing run=after
	$(BIN)/denoisebench pack runs/before -o runs/baseline.dbpack
	$(BIN)/python -m benchmarks.terminal_picture docs/pictures/gate.svg check --baseline runs/baseline.dbpack \
		--candidate runs/after --by=steps,guidance --only=quality,images
	cp runs/demo/figures/fd_shapes_vs_steps.svg runs/demo/figures/clip_score_shapes_vs_steps.svg \
		runs/demo/figures/decision.svg docs/pictures/
	$(BIN)/python -m benchmarks.page_pictures runs/demo docs/pictures

examples: install ## Run the example notebook and keep what its cells show
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.notebook examples/own_model.ipynb

schedulers: install ## Measure every scheduler and write docs/schedulers.md
	$(BIN)/denoisebench verify
	cp runs/verify/schedulers.md docs/
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.planted_schedulers >> docs/schedulers.md
	cp runs/verify/figures/verify_scan.svg docs/pictures/

caches: install ## Measure every step cache and write docs/caches.md
	$(BIN)/denoisebench verify cache=all out=runs/caches
	cp runs/caches/caches.md docs/

references: install ## Write the tables of docs/references.md
	$(BIN)/python -m benchmarks.reference_tables docs/references.md

claims: install ## Test what people say of diffusion models and write docs/claims.md
	$(BIN)/denoisebench sweep model=terrain steps=4 seed=1 metrics=none samples=60 latency.timed_runs=0 \
		tracking=none runs=runs/results run=many
	$(BIN)/denoisebench sweep experiment=claims 'claims.worlds=[shapes,fashion,mixture,terrain]'
	cp runs/claims/claims.md docs/

worlds: install ## Sweep the models that others made, and photographs, and write docs/results and docs/claims.md (hours, resumable)
	$(BIN)/python -m benchmarks.results runs/results
	$(MAKE) claims

check: install ## Check lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check ## Run make check, then all tests but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not slow"

SLOW = slow
test-slow: install ## Run the tests that take long: whole sweeps, simulations, kills (half an hour)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "$(SLOW)" --durations 20

bench: install ## Measure what sweeps cost and write it into docs/performance.md (half an hour, resumable)
	$(BIN)/python -m benchmarks.performance runs/bench --write=docs/performance.md

scaling: install ## Simulate 8 to 512 workers from times measured here (ten minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.scaling_law runs/scaling docs/scaling.md

rooms: install ## Print figures of the source's structure; fails when an import runs against the order
	$(BIN)/python -m benchmarks.rooms

walk: install ## Count the files that one enters to follow the run of one cell
	$(BIN)/python -m benchmarks.walk

coverage: install ## Replicate intervals on populations of known truth (an hour)
	$(BIN)/denoisebench sweep model=shapes-ddpm scheduler=ddim steps=32,4,8 guidance=4 samples=2048 \
		latency.timed_runs=0 tracking=none run=coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.coverage runs/coverage 1000
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.simulated runs/coverage/simulated.json 200
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.false_passes runs/coverage/false_passes.json 4000
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.false_alarms runs/coverage/false_alarms.json 4000
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.false_fronts 500
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.following runs/coverage/following.json 400

race-study: install ## Measure whether a race chooses as a fixed design does (half an hour of generating, resumable)
	$(BIN)/denoisebench sweep model=shapes-ddpm scheduler=ddim,euler,dpmpp_2m steps=2,4,8,16,32 guidance=4 \
		samples=2048 latency.timed_runs=0 tracking=none threads=1 workers=2 run=race-study
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.race_study runs/race-study 40

BUDGET = budget=tflops:0.002,0.004,0.006
budget: install ## Ask what is best at equal cost, caches and precision included, and write docs/results/budget.md (an hour, resumable)
	$(BIN)/denoisebench sweep experiment=budget tracking=none
	$(BIN)/denoisebench sweep experiment=budget_fashion tracking=none
	$(BIN)/denoisebench report runs/budget $(BUDGET)
	$(BIN)/python -m benchmarks.budget_results docs/results/budget.md runs/budget runs/budget_fashion
	cp runs/budget/figures/fd_shapes_at_equal_tflops.svg docs/pictures/

budget-study: install ## Measure whether the winner at a budget is right, on populations of known truth
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.budget_study 200

budget-truth: install ## The same on shapes-flow with caches, against 4,096 images (half an hour of generating, resumable)
	$(BIN)/denoisebench sweep experiment=budget_truth tracking=none threads=1 workers=2
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.budget_truth runs/budget-truth 40
	$(BIN)/denoisebench report runs/budget-truth budget=tflops:0.0025,0.003,0.0035,0.004,0.0045,0.005
	cp runs/budget-truth/figures/fd_shapes_at_equal_tflops.svg docs/pictures/budget_truth_at_equal_tflops.svg

regression-study: install ## Measure what a check catches of planted faults (resumable)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.regression_study runs/regression-study 200

chaos: install ## Kill and pause sweeps at random points, and see whether anything is lost (half an hour, resumable)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.chaos runs/chaos 200 100

zoo: install ## Train and release the embedded networks (hours on two cores, resumable; DEVICE=cuda)
	$(BIN)/python -m zoo.vae --device $(DEVICE)
	$(BIN)/python -m zoo.features --device $(DEVICE)
	$(BIN)/python -m zoo.clip --device $(DEVICE)
	$(BIN)/python -m zoo.ddpm --device $(DEVICE)
	$(BIN)/python -m zoo.flow --device $(DEVICE)
	$(BIN)/python -m zoo.lcm --device $(DEVICE)
	$(BIN)/python -m zoo.release
	$(BIN)/python -m zoo.references
	$(BIN)/python -m zoo.quality

zoo-fashion: install ## Train and release the networks of the photographs (Debian's dataset-fashion-mnist; resumable)
	$(BIN)/python -m zoo.vae --world fashion --device $(DEVICE)
	$(BIN)/python -m zoo.features --world fashion --device $(DEVICE)
	$(BIN)/python -m zoo.clip --world fashion --device $(DEVICE)
	$(BIN)/python -m zoo.prompts
	$(BIN)/python -m zoo.twins --device $(DEVICE)
	$(BIN)/python -m zoo.lcm --world fashion --device $(DEVICE)
	$(BIN)/python -m zoo.release $(addprefix fashion-,ddpm flow lcm features clip)
	$(BIN)/python -m zoo.references
	$(BIN)/python -m zoo.quality $(addprefix fashion-,vae ddpm flow lcm features clip)

lock: install ## Pin the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev pyproject.toml -o requirements.lock

.PHONY: help install demo pictures examples schedulers caches references claims worlds check test test-slow bench budget budget-study budget-truth scaling rooms walk coverage race-study regression-study chaos zoo zoo-fashion lock
