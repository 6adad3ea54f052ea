"""The bars live in ``bench/``, where ``doxa bench hard`` finds them; here they run at their small size."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
