"""Inspect AI: doxa's protocols as its tasks, doxa's subjects as its models and the other way round, its logs.

What Inspect itself loads is in ``hosted`` and needs the extra to be imported; all else loads Inspect when used.
"""
