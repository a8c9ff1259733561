"""Signals that ask a process to stop."""

import signal
import subprocess
import sys

import pytest

from tests.server import ROOT

# A signal that another thread takes does not end what the main thread waits for; nor does one that
# comes in the instant before the wait begins, which cannot be arranged.
TAKEN_BY_ANOTHER_THREAD = """
import signal, sys, threading
from app.entrypoints.signals import Stopped, StopSignals

def take():
    while sys._current_frames()[threading.main_thread().ident].f_code is not StopSignals.wait.__code__:
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

signals = StopSignals()
threading.Thread(target=take).start()
try:
    signals.wait()
except Stopped:
    print("stopped")
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals for threads on this system")
def test_a_signal_that_does_not_end_the_wait_counts_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKEN_BY_ANOTHER_THREAD],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stdout == "stopped\n"
