"""Shapes and types are checked while the tests run, and cost nothing outside them."""

from __future__ import annotations

from jaxtyping import install_import_hook

import tests.typecheck  # noqa: F401 - the hook looks it up by name

install_import_hook("doxa", "tests.typecheck.check")
