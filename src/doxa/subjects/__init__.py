"""Who holds beliefs: planted subjects, organisms, open weights, hosted models."""
