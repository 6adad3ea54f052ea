"""``python -m doxa`` is the command ``doxa``."""

from doxa.cli import main

main()
