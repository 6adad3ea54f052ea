"""Cells on the machines of a Ray cluster: what answers at an address, what travels, who computes, who writes."""
