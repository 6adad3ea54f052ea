"""Looking inside a model: activations, probes, the logit lens, patching and steering."""
