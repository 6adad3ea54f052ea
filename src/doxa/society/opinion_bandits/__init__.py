"""Persuading a population as a bandit: DeGroot's people, people of bounded confidence, and language models."""
