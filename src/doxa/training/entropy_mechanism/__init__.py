"""Performance bought with entropy: a user's log, a user's dump, exact tables, and small policies trained to see it."""
