"""`python -m app`."""

import signal
import sys

# While the program is still being loaded there is nothing to clean up, and a traceback would say nothing.
at_start = signal.signal(signal.SIGINT, signal.SIG_DFL)

arguments = sys.argv[1:]
if arguments[:1] == ["images"]:
    from app.entrypoints.cli_images import images_command as command

    del arguments[0]
else:
    from app.entrypoints.cli import main as command

signal.signal(signal.SIGINT, at_start)
command.main(arguments, prog_name="python -m app")
