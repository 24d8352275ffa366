# `make help` lists what there is. Everything is built by CMake and Ninja in build/.
CC ?= cc
B ?= build

.PHONY: all deps test quick
all: deps
	@cmake -S . -B $(B) -G Ninja >/dev/null
	@ninja -C $(B)

deps:
	@tool/install-dependencies

test: all
	$(B)/hone_test

quick: all
	$(B)/hone_test --quick
