"""`python -m serendip` is the command line."""

from serendip.cli import main

main()
