"""Real photographs and graphics: the test images that Python packages ship in their source distributions.

Pillow's are of all formats, with whatever was ever wrong with a file; piexif's are photographs as
cameras of eight makers wrote them, with their Exif data.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import pytest

CACHE = Path(__file__).parents[1] / ".cache"
SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".webp"}
Collection = Literal["pillow", "piexif"]
_RELEASES: dict[Collection, str] = {"pillow": version("pillow"), "piexif": "1.1.3"}


@cache
def real_images(collection: Collection = "pillow") -> list[Path]:
    """The files, downloaded once from PyPI. Skips the test where that is not possible, except in CI."""
    home = CACHE / f"{collection}-{_RELEASES[collection]}"
    if not home.exists():
        try:
            _download(collection, home)
        except subprocess.CalledProcessError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"The source of {collection} could not be downloaded: {error.stderr.decode()[-200:]}")
    return sorted(path for path in home.iterdir() if path.suffix in SUFFIXES)


def _download(collection: Collection, home: Path) -> None:
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        # The distribution is only unpacked: nothing of it is built or run but its metadata.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", collection]
        release = f"{collection}=={_RELEASES[collection]}"
        subprocess.run([*command, "--dest", scratch, release], check=True, capture_output=True)
        images = Path(scratch, "images")
        images.mkdir()
        for name, content in _members(next(Path(scratch).glob(f"{collection}-*"))):
            if content and "/tests/images/" in name.lower() and Path(name).suffix in SUFFIXES:
                (images / Path(name).name).write_bytes(content)
        try:
            images.rename(home)
        except OSError:  # another process was quicker
            if not home.exists():
                raise


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            yield from ((name, packed.read(name)) for name in packed.namelist())
        return
    with tarfile.open(archive) as packed_tar:
        for member in packed_tar:
            if member.isfile() and (content := packed_tar.extractfile(member)):
                yield member.name, content.read()
