"""How beliefs are trained: continued training, and what it does to what a model knows."""
