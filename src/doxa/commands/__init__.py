"""The commands of the command line, by noun; :mod:`doxa.cli` names them."""
