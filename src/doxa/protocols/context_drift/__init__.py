"""Context drift: how far accumulated context moves what a subject says and does."""
