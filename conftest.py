"""Shapes and types are checked while the tests run, and cost nothing outside them."""

from __future__ import annotations

import tests.typecheck  # noqa: F401 - the hook looks it up by name
from jaxtyping import install_import_hook

install_import_hook("doxa", "tests.typecheck.check")
