"""Protocols: conversations as scripts that show how a subject's beliefs behave."""
