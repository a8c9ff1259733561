import shutil
import subprocess
import sys

import pytest

from benchmarks.overhead.calls import worse
from tests.server import ROOT


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler (cc) for the stand-in of AWS")
def test_no_request_calls_clearly_more_functions_than_it_did() -> None:
    """Where one does on purpose: python -m benchmarks.overhead.calls --write."""
    command = [sys.executable, "-m", "benchmarks.overhead.calls"]
    counted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert counted.returncode == 0, counted.stderr[-2000:]


def test_more_calls_are_noticed() -> None:
    assert worse({"list": 11.0, "get": 10.0}, {"list": 9.0, "get": 9.0}) == ["list: 11.0 floors, was 9.0"]
