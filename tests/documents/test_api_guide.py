"""The blocks of docs/api.md are run as they stand, those of each language one after the other."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.samples import picture
from tests.server import ROOT, RunningService

GUIDE = (ROOT / "docs" / "api.md").read_text()
PROGRAMS = {"sh": ("sh", "-e"), "python": (sys.executable,), "js": ("node",)}
FILES = {"sh": "guide.sh", "python": "guide.py", "js": "guide.mjs"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_examples_work(server: RunningService, user: str, tmp_path: Path, language: str) -> None:
    program, *options = PROGRAMS[language]
    if shutil.which(program) is None:
        pytest.skip(f"the examples in {language} need {program}")
    (tmp_path / "photo.jpg").write_bytes(picture())
    script = "\n".join(blocks(language)).replace("http://127.0.0.1:5000", server.url).replace("alice", user)
    path = tmp_path / FILES[language]
    path.write_text(script)
    done = subprocess.run(
        [program, *options, path], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_that_is_shown_has_the_members_of_a_real_one(server: RunningService, user: str) -> None:
    (shown,) = blocks("json")
    with server.client(user) as api:
        real = api.post("/api/v1/images", files={"file": ("photo.jpg", picture())}).json()
    assert json.loads(shown).keys() == real.keys()


def test_every_section_has_all_languages() -> None:
    for section in re.split(r"^## ", GUIDE, flags=re.MULTILINE):
        for language in PROGRAMS:
            assert f"```{language}\n" in section, section.partition("\n")[0]


def test_every_route_of_the_api_is_shown() -> None:
    shown = "\n".join(blocks("sh"))
    for route in ("/images", "/tags", "/uploads", "/complete", "/metadata", "/thumbnail", "/batch-delete", "/limits"):
        assert re.search(rf"{route}\b", shown), route
