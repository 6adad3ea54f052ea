"""Shapes and types are checked while the tests run, and cost nothing outside them."""

from __future__ import annotations

import tests.typecheck

tests.typecheck.install()
