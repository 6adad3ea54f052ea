"""The audit: every protocol a subject can take, one belief card, and the check of the instruments."""
