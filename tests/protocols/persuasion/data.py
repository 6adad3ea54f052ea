"""Where the released files are, for tests that read them."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = (
    Path(os.environ.get("DOXA_DATA") or Path(__file__).parents[4] / "shared" / "data") / "persuasive-power"
)
