"""The zoo: small language models trained here with one known defect each, and their sound twins."""

from __future__ import annotations

from doxa.subjects.organisms.recipes import Organism, folder, member, members

__all__ = ["Organism", "folder", "member", "members"]
