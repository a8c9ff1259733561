"""examples/walkthrough.py is run as its first lines say."""

import subprocess
import sys
from pathlib import Path

from tests.samples import picture
from tests.server import ROOT, RunningService


def test_it_goes_to_its_end(server: RunningService, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(picture())
    command = [sys.executable, "-m", "examples.walkthrough", str(photo), server.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("All as it should be.\n")
