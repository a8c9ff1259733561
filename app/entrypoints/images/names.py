"""File names for images on this machine's disk.

A filename that somebody gave an image is not trusted: it must name a new file in the directory that was
chosen, on any system, and be what it looks like.
"""

import re
import unicodedata
from pathlib import Path

from app.client import Image, UnreadableFile, part_of, sha256_of
from app.entrypoints.images.output import is_control

_MAX_BYTES = 200  # of 255 that file systems take, to leave room for a number
_SUFFIXES = {
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
}
IMAGE_SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
# Not in names on Windows: Microsoft Learn, "Naming Files, Paths, and Namespaces".
_NOT_IN_NAMES = frozenset('<>:"/\\|?*')
_DEVICES = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(?:\.|\Z)", re.IGNORECASE
)


def safe_name(filename: str, content_type: str) -> str:
    """The filename without what is not safe in one, and with a suffix of what the file is."""
    name = unicodedata.normalize("NFC", filename)
    name = "".join("_" if char in _NOT_IN_NAMES or is_control(char) else char for char in name)
    name = name.rstrip(". ").lstrip(" ")
    if name.startswith((".", "-")):  # hidden, or an option to whoever expands a pattern
        name = "_" + name[1:]
    if _DEVICES.match(name):
        name = "_" + name
    suffixes = _SUFFIXES.get(content_type, (".bin",))
    stem, dot, suffix = name.rpartition(".")
    if not dot or f".{suffix.lower()}" not in suffixes:
        stem, suffix = name, suffixes[0][1:]
    return f"{_shortened(stem) or 'image'}.{suffix}"


def numbered(name: str, number: int) -> str:
    """`beach.jpg`, `beach (2).jpg`, `beach (3).jpg` ..."""
    stem, _, suffix = name.rpartition(".")
    return name if number == 1 else f"{stem} ({number}).{suffix}"


class Names:
    """Gives each image of one run a file of its own in a directory, the same one in every run."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._taken: set[str] = set()
        self._first: dict[str, int] = {}
        """For each name, the number before which all are taken; many images may be called alike."""

    def give(self, image: Image) -> tuple[Path, bool]:
        """The image's file, and whether it is there already, with just these bytes. Others keep what they have."""
        name = safe_name(image.filename, image.content_type)
        number = first = self._first.get(name, 1)
        while True:
            path = self._directory / numbered(name, number)
            key = path.name.casefold()  # some file systems take names in other cases for the same
            if key not in self._taken:
                there = path.exists() or path.is_symlink()
                if not there or holds(path, image):
                    self._taken.add(key)
                    if number == first:
                        self._first[name] = first + 1
                    return path, there
            number += 1


def holds(path: Path, image: Image) -> bool:
    """Whether the file has the image's bytes. Then nothing is left of a download that was killed at its very end."""
    try:
        if not path.is_file() or path.stat().st_size != image.file_size or sha256_of(path) != image.sha256:
            return False
        part_of(path, image.image_id).unlink(missing_ok=True)
    except (OSError, UnreadableFile):
        return False
    return True


def _shortened(stem: str) -> str:
    return stem.encode("utf-8", "replace")[:_MAX_BYTES].decode("utf-8", "ignore").rstrip(". ")
