# SPDX-License-Identifier: Apache-2.0
"""A small cluster of network namespaces for the demo and the whole-system tests (see README.md)."""
