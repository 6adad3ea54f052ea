"""Shapes and types are checked while the tests run, and cost nothing outside them."""

from __future__ import annotations

import tests.typecheck

tests.typecheck.install()


def pytest_runtest_setup() -> None:
    """Let every test check the first calls of each function."""
    tests.typecheck.begin_test()
