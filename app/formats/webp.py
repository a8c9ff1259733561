"""WebP: its chunks (WebP Container Specification)."""

from collections.abc import Iterator
from typing import NamedTuple

from app.formats import MAX_PARTS, Bytes

_METADATA = frozenset({b"ICCP", b"EXIF", b"XMP "})


class WebpChunk(NamedTuple):
    """A chunk's kind, and where its content begins and ends; a byte of padding follows an odd one."""

    kind: bytes
    start: int
    end: int


def webp_chunks(data: Bytes) -> Iterator[WebpChunk]:
    """The chunks that are there, also those of which only the beginning is."""
    position = 12
    for _ in range(MAX_PARTS):
        kind = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if len(kind) < 4:
            return
        yield WebpChunk(kind, position + 8, position + 8 + length)
        position += 8 + length + length % 2


def webp_metadata_bytes(data: Bytes) -> int:
    """The size of profile, Exif and XMP (section "Extended File Format")."""
    return sum(chunk.end - chunk.start for chunk in webp_chunks(data) if chunk.kind in _METADATA)
