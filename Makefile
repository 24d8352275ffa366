# `make help` lists what there is. Everything is built by CMake and Ninja: in build/, and in build-NAME/ for
# the other ways to build.
B ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 30
SOAK_SECONDS ?= 3600
comma := ,
# Elsewhere installed: make peers PEERS=VENV/bin/python
PEERS ?= build-peers/python/bin/python

.PHONY: all build deps test quick slow demo chain bench bench-ops bench-compress bench-train bench-serve fuzz templates peers asan ubsan tsan sanitize clang format install help clients soak guessing
all: build ## build the program (build/hone), the libraries and the tests; install what is missing first

deps:
	@tool/install-dependencies

build: deps
	@cmake -S . -B $(B) -G Ninja $(OPTIONS) >/dev/null
	@ninja -C $(B) $(GOAL)

quick: build ## checks while working, within 20 seconds
	$(B)/hone_test --quick

test: build ## everything that must always hold
	$(B)/hone_test

slow: test sanitize tsan fuzz ## test, all sanitizers, fuzzing
	HONE_ARRIVALS=100000 $(B)/hone_test schedule.random_traffic
	HONE_MALFORMED=100000 build-sanitize/hone_test serve_rough.malformed
	HONE_KILLS=50 $(B)/hone_test train_run.kills
	HONE_PAGES=all $(B)/hone_test doc.runs
	for isa in scalar avx2; do HONE_ISA=$$isa $(B)/hone_test matmul kernels engine || exit 1; done
	$(MAKE) --no-print-directory soak

soak: build ## a server at full load for SOAK_SECONDS (3600), with clients that leave
	@tool/install-dependencies curl
	HONE=$(B)/hone tool/soak $(SOAK_SECONDS)

clients: build ## stock clients against the server: openai, lm_eval, curl, promtool; after make demo
	@tool/install-dependencies curl
	HONE=$(B)/hone tool/clients

guessing: build ## what guessing ahead gains, with a target and a draft trained for it (minutes, once)
	HONE=$(B)/hone tool/guessing

demo: build ## the whole life of a small model, from nothing to a server, in a few minutes
	@tool/install-dependencies curl
	@tool/demo

chain: build ## train, distil, prune, 4 bits, recover, export, serve: and every promise of the lineage checked
	@tool/install-dependencies curl
	tool/chain

bench: build ## speed of the ops beside this machine's own roofs
	$(B)/hone bench ops

bench-ops: build ## what ops are claimed to reach of those roofs, at 1 and 2 threads
	bench/ops.py $(B)/hone

bench-compress: build ## what compression is claimed to do, on models trained here; half an hour
	bench/compress.py $(B)/hone

bench-train: build ## what training is claimed to reach, beside PyTorch (downloads pinned packages once); half an hour
	@test -x $(PEERS) || tool/python-venv build-peers/python $$(grep -v '^#' bench/peers/requirements.txt)
	$(PEERS) bench/training.py $(B)/hone

# LLAMA_SERVER=PATH adds what is required beside llama-server.
bench-serve: build ## what serving is required to do beside what it does; ten minutes
	$(B)/hone bench engine --preset llama-110m --format q8_0 --filter '^engine\.(continuous|kv|chunks|prefix)'
	HONE=$(B)/hone tool/guessing
	bench/peers/serve.py $(B)/hone $(LLAMA_SERVER) --bars --pairs 5

# New finds stay in build-fuzz/; the committed seeds are replayed in `make test`.
fuzz: ## fuzz each parser with clang's libFuzzer for FUZZ_SECONDS (30)
	@command -v clang >/dev/null || { echo "hone: make fuzz needs clang and its compiler-rt" >&2; exit 1; }
	@$(MAKE) --no-print-directory build B=build-fuzz GOAL=fuzzers OPTIONS="-DCMAKE_C_COMPILER=clang \
	    -DHONE_FUZZ=ON -DHONE_SANITIZE=address$(comma)undefined"
	@for target in build-fuzz/fuzz/*; do \
	    name=$$(basename $$target); mkdir -p build-fuzz/corpus/$$name fuzz/corpus/$$name; echo "fuzz $$name"; \
	    $$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=4096 -print_final_stats=0 \
	        -verbosity=0 -artifact_prefix=build-fuzz/ build-fuzz/corpus/$$name fuzz/corpus/$$name || exit 1; \
	done

# In build-peers/: virtual environments, and the source archive whose templates are read, kept out of this repository.
templates: build ## chat templates of published models against Jinja2 (downloads pinned packages once)
	@tool/python-venv build-peers/jinja Jinja2==3.1.6
	@test -f build-peers/llama_cpp_python-0.3.16.tar.gz || build-peers/jinja/bin/pip download -q --no-deps \
	    --no-binary llama_cpp_python -d build-peers llama_cpp_python==0.3.16
	@TZ=UTC build-peers/jinja/bin/python tool/goldens/templates.py build-peers/llama_cpp_python-0.3.16.tar.gz \
	    > build-peers/templates.json
	HONE_TEMPLATES=build-peers/templates.json $(B)/hone_test template.published

peers: build ## tokenizers and GGUF files beside PyPI's libraries (downloads pinned packages once)
	@test -x $(PEERS) || tool/python-venv build-peers/python $$(grep -v '^#' bench/peers/requirements.txt)
	$(PEERS) bench/peers/gguf_equal.py $(B)/hone
	$(PEERS) bench/peers/convert_equal.py $(B)/hone ../shared/data
	$(PEERS) bench/peers/tokenize_train.py $(B)/hone ../shared/data/text/*.txt
	RAYON_NUM_THREADS=1 $(PEERS) bench/peers/tokenize_equal.py $(B)/hone ../shared/data --pairs 3

asan: ## quick checks under the address sanitizer
	@$(MAKE) --no-print-directory quick B=build-asan OPTIONS=-DHONE_SANITIZE=address
ubsan: ## quick checks under the undefined-behaviour sanitizer
	@$(MAKE) --no-print-directory quick B=build-ubsan OPTIONS=-DHONE_SANITIZE=undefined
tsan: ## quick checks under the thread sanitizer
	@$(MAKE) --no-print-directory quick B=build-tsan OPTIONS=-DHONE_SANITIZE=thread
sanitize: ## quick checks under the address and undefined-behaviour sanitizers at once
	@$(MAKE) --no-print-directory quick B=build-sanitize OPTIONS=-DHONE_SANITIZE=address,undefined

clang: ## build everything with clang, warnings being errors
	@$(MAKE) --no-print-directory build B=build-clang \
	    OPTIONS="-DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug"

format: ## lay out the sources by clang-format
	git ls-files '*.c' '*.h' | xargs clang-format -i

install: build ## program, libraries, headers, man pages to PREFIX (/usr/local)
	cmake --install $(B) --prefix $(PREFIX)

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'
