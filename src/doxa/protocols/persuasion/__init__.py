"""Persuasion: one argument in a style, a skeptic that reads it, and whether its opinion changed."""
