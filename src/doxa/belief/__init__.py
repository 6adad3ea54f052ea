"""The mathematics of belief: pure functions on numbers and arrays, nothing that asks, trains or stores."""
