"""How a belief is asked for and read back."""
