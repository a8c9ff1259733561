"""`python -m app`."""

import signal

# While the program is still being loaded there is nothing to clean up, and a traceback would say nothing.
at_start = signal.signal(signal.SIGINT, signal.SIG_DFL)

from app.entrypoints.cli import main  # noqa: E402 - that is the loading

signal.signal(signal.SIGINT, at_start)
main()
