"""Loading models of transformers without a word on the screen."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
from transformers.utils import logging as transformers_logging


@contextmanager
def quiet() -> Generator[None]:
    """Load or save without progress bars and warnings on the screen, and without moving the global generator."""
    bars = transformers_logging.is_progress_bar_enabled()
    level = transformers_logging.get_verbosity()
    state = torch.get_rng_state()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        torch.set_rng_state(state)
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
