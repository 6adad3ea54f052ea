"""Language models that play bandits: how undecided they are about their action, and what moves it."""
