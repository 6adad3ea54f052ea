"""Debates in which both sides bet on their own victory (Prasad and Nguyen, arXiv:2505.19184)."""
