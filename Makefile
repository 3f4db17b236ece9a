# SPDX-License-Identifier: Apache-2.0
# Thin: what a command does is in scripts/.
.DEFAULT_GOAL := help
.PHONY: help demo demo-down cluster cluster-down test-kubernetes test-vm conformance build test bench fuzz lint format clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

demo:  ## two nodes on this machine, the four problems solved in front of you (root); KEEP=1 leaves them up
	@[ "$$(id -u)" -eq 0 ] || { echo "make demo: this makes network namespaces and needs root (sudo make demo)" >&2; exit 2; }
	@scripts/build dev sluice-offloadd sluice-device-plugin sluice-cni sluicectl standin-kubelet
	@SLUICE_BIN="$(CURDIR)/build/dev/bin" KEEP="$(KEEP)" /usr/bin/python3 tests/netns/demo.py

demo-down:  ## takes down what `make demo KEEP=1` left up
	@SLUICE_BIN="$(CURDIR)/build/dev/bin" /usr/bin/python3 tests/netns/demo.py --down

node_programs = sluice-offloadd sluice-device-plugin sluice-cni sluicectl

cluster:  ## a real Kubernetes of two nodes with Sluice as its network, left up (root)
	@[ "$$(id -u)" -eq 0 ] || { echo "make cluster: this makes network namespaces and needs root (sudo make cluster)" >&2; exit 2; }
	@scripts/build dev $(node_programs)
	@SLUICE_BIN="$(CURDIR)/build/dev/bin" scripts/kubernetes up

cluster-down:  ## takes it down
	@scripts/kubernetes down

test-kubernetes:  ## tests/kubernetes on a cluster of its own (root); ONLY="vf_test" only those
	@[ "$$(id -u)" -eq 0 ] || { echo "make test-kubernetes: this makes network namespaces and needs root" >&2; exit 2; }
	@scripts/build dev $(node_programs)
	@SLUICE_BIN="$(CURDIR)/build/dev/bin" scripts/kubernetes test $(ONLY)

conformance:  ## tests/kubernetes/conformance: under multus, SLUICE_PEERS=folder of its sources (root); ONLY="sriov"
	@[ "$$(id -u)" -eq 0 ] || { echo "make conformance: this makes network namespaces and needs root" >&2; exit 2; }
	@[ -n "$(SLUICE_PEERS)" ] || { echo "make conformance: SLUICE_PEERS=<folder> is needed: that of multus-cni.tar.xz, the sources of multus" >&2; exit 2; }
	@scripts/build dev $(node_programs)
	@SLUICE_PEERS="$(SLUICE_PEERS)" SLUICE_BIN="$(CURDIR)/build/dev/bin" scripts/kubernetes conformance $(ONLY)

test-vm:  ## tests/vm, on real VFs in a virtual machine of its own (root); ONLY="igb_test" only those
	@[ "$$(id -u)" -eq 0 ] || { echo "make test-vm: this shows the machine's root to a guest and needs root" >&2; exit 2; }
	@scripts/build dev $(node_programs)
	@SLUICE_BIN="$(CURDIR)/build/dev/bin" scripts/vm test $(ONLY)

build:  ## the dev build, in build/dev
	@scripts/build dev

test:  ## all test lanes; LANES="checks unit" only those, SLUICE_SKIP=netns all but that one
	@scripts/deps
	@scripts/test $(LANES)

bench:  ## all benchmarks; ONLY=pmd. only those whose name begins so; results in build/bench/results.json
	@scripts/bench $(ONLY)

SECONDS ?= 300
fuzz:  ## every fuzzer for SECONDS=300 each; ONLY=packet_fuzz only that one
	@scripts/fuzz $(SECONDS) $(ONLY)

lint:  ## formatting and clang-tidy
	@scripts/lint

format:  ## formats all of our sources
	@scripts/lint --fix

clean:  ## removes build/
	@rm -rf build
