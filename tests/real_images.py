"""Real photographs and graphics: the test images that Pillow ships in its source distribution."""

import os
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[1] / ".cache"
SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".webp"}


@cache
def real_images() -> list[Path]:
    """The files, downloaded once from PyPI. Skips the test where that is not possible, except in CI."""
    release = version("pillow")
    home = CACHE / f"pillow-{release}"
    if not home.exists():
        try:
            _download(release, home)
        except subprocess.CalledProcessError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"Pillow's source distribution could not be downloaded: {error.stderr.decode()[-200:]}")
    return sorted(path for path in home.iterdir() if path.suffix in SUFFIXES)


def _download(release: str, home: Path) -> None:
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        # The distribution is only unpacked: nothing of it is built or run but its metadata.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pillow"]
        subprocess.run([*command, "--dest", scratch, f"pillow=={release}"], check=True, capture_output=True)
        images = Path(scratch, "images")
        images.mkdir()
        with tarfile.open(next(Path(scratch).glob("*.tar.gz"))) as archive:
            for member in archive:
                if "/Tests/images/" in member.name and Path(member.name).suffix in SUFFIXES and member.isfile():
                    content = archive.extractfile(member)
                    assert content is not None
                    (images / Path(member.name).name).write_bytes(content.read())
        images.rename(home)
