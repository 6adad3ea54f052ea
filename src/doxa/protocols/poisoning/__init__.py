"""Poisoned continued training: what becomes of facts a model knew (Layer of Truth, arXiv:2510.26829).

Modules load torch, so import them inside the function that trains: ``embedded`` (small networks), ``published`` (a
copy of a real model), ``before_after`` (two subjects), ``record``, ``verdicts`` and ``pictures``.
"""
