"""What docs/command-line.md and the docstring of ImageClient say is run as it stands."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from app.client import ImageClient
from tests.samples import picture
from tests.server import ROOT, RunningService

PAGE = (ROOT / "docs" / "command-line.md").read_text()
DOCSTRING = ImageClient.__doc__ or ""


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "deeper").mkdir(parents=True)
    for number, name in enumerate(["beach.jpg", "dusk.jpg", "deeper/dunes.jpg"]):
        (tmp_path / "photos" / name).write_bytes(picture(seed=number))
    (tmp_path / "beach.jpg").write_bytes(picture())
    return tmp_path


def run(arguments: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="the page is for POSIX shells")
def test_every_command_of_the_page_works(server: RunningService, user: str, folder: Path) -> None:
    script = block("sh").replace("http://127.0.0.1:5000", server.url).replace("alice", user).replace("bob", f"b-{user}")
    done = run(["sh", "-e", "-c", script.replace(".venv/bin/python", sys.executable)], folder)
    assert done.returncode == 0, done.stderr
    assert "Failed" not in done.stderr
    assert {path.name for path in (folder / "all").iterdir()} == {"beach.jpg", "dusk.jpg", "dunes.jpg"}
    with ImageClient(server.url, user_id=f"b-{user}") as client:
        assert len(list(client.images())) == 3


@pytest.mark.parametrize("imports", ["", "from pathlib import Path\nfrom app.client import ImageClient, ImageFilter\n"])
def test_the_examples_in_python_work(server: RunningService, user: str, folder: Path, imports: str) -> None:
    example = textwrap.dedent(DOCSTRING.partition("\n\n")[2].partition("\n\n")[0]) if imports else block("python")
    program = imports + example.replace("http://127.0.0.1:5000", server.url).replace("alice", user)
    done = run([sys.executable, "-c", program], folder)
    assert done.returncode == 0, done.stderr
    (copy,) = folder.glob("????????-*.jpg")
    assert copy.read_bytes() == picture()
