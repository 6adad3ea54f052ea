"""What every comparison needs: two processes, the same work, alternating repeats, a ratio with its interval."""
