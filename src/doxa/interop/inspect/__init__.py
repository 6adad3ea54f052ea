"""Inspect AI: doxa's protocols as its tasks, doxa's subjects as its models and the other way round, its logs.

Modules that Inspect itself loads (``registry`` and what it imports) need the extra; all others load it when used.
"""
