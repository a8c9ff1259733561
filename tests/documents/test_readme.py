"""The README's examples are run as they stand."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract.steps import IMAGES, upload
from tests.samples import picture
from tests.server import ROOT, RunningService

EXAMPLES: list[str] = re.findall(r"\| `((?:curl|printf)[^`|]+)` \|$", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="the examples need curl, openssl")
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_works(server: RunningService, user: str, tmp_path: Path, example: str) -> None:
    (tmp_path / "photo.jpg").write_bytes(picture())
    with server.client(user) as api:
        image, other = upload(api), upload(api)
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "API": f"{server.url}/api/v1",
            "ME": f"X-User-ID: {user}",
            "ID": image["image_id"],
            "OTHER": other["image_id"],
        }
        command = example.replace("curl ", "curl -sS --fail ", 1).replace("http://127.0.0.1:5000", server.url)
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        copies = [path.read_bytes() for path in tmp_path.iterdir() if path.name in {"copy.jpg", "beach.jpg"}]
        assert copies in ([], [picture()])
        if "DELETE" in example:
            assert api.get(f"{IMAGES}/{image['image_id']}").status_code == 404


def test_every_route_has_an_example() -> None:
    assert len(EXAMPLES) == 25
