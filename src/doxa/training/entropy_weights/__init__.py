"""Estimates of what one token's update does to a policy's entropy, and weights that hold violent tokens back."""
