"""Linear probes for all layers and positions at once, with their controls."""
