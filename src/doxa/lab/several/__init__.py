"""Several studies in one go: their cells in one pool, one progress display, each ended as soon as it can be."""
