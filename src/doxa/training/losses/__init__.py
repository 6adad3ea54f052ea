"""Losses of policy training, one pure function each, found by name: see ``doxa.training.open_loss``."""
