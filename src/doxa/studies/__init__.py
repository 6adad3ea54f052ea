"""One file per published system: its claim, its config, its cells, its findings, its figures."""
