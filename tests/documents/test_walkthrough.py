"""examples/walkthrough.py is run as its first lines say."""

import os
import subprocess
import sys
from pathlib import Path

from tests.samples import picture
from tests.server import ROOT, RunningService


def run(photo: Path, address: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.walkthrough", str(photo)]
    environment = os.environ | {"IMAGES_SERVER": address}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_it_goes_to_its_end(server: RunningService, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(picture())
    done = run(photo, server.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("All as it should be.\n")


def test_what_is_missing_is_one_plain_line(server: RunningService, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("no image")
    for photo, address, said in (
        (tmp_path / "missing.jpg", server.url, "The file cannot be read: No such file or directory."),
        (text, server.url, "not a JPEG, PNG, GIF or WebP image."),
        (text, "127.0.0.1:5000", "must start with http:// or https://"),
    ):
        done = run(photo, address)
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
