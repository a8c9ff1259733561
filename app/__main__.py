"""`python -m app`."""

from app.entrypoints.cli import main

main()
