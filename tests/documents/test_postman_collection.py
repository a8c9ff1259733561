"""docs/postman.json is run by newman, as Postman would run it."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from app.entrypoints.postman import PIXEL
from tests.server import ROOT, RunningService

NEWMAN = Path(__file__).parent / "newman" / "node_modules" / ".bin" / "newman"


@pytest.mark.skipif(
    not NEWMAN.exists() or shutil.which("node") is None, reason="needs `npm ci` in tests/documents/newman"
)
def test_every_request_of_the_collection_succeeds(server: RunningService, user: str, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(base64.b64decode(PIXEL))
    variables = ["--env-var", f"base_url={server.url}", "--env-var", f"user_id={user}"]
    done = subprocess.run(
        [NEWMAN, "run", ROOT / "docs" / "postman.json", *variables, "--working-dir", tmp_path, "--color", "off"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
