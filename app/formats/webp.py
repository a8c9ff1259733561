"""WebP: its chunks (WebP Container Specification)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from app.formats import MAX_PARTS, Bytes

_METADATA = frozenset({b"ICCP", b"EXIF", b"XMP "})
_FRAME_HEADER_BYTES = 16


class WebpChunk(NamedTuple):
    """A chunk's kind, and where its content begins and ends; a byte of padding follows an odd one."""

    kind: bytes
    start: int
    end: int


def webp_end(data: Bytes) -> int:
    """Where the file says that it ends; what lies behind is not of it."""
    return min(8 + int.from_bytes(data[4:8], "little"), len(data))


def webp_chunks(data: Bytes) -> Iterator[WebpChunk]:
    """The chunks that are there as a whole."""
    position, end = 12, webp_end(data)
    for _ in range(MAX_PARTS):
        start = position + 8
        length = int.from_bytes(data[position + 4 : start], "little")
        if start + length > end:
            return
        yield WebpChunk(data[position : position + 4], start, start + length)
        position = start + length + length % 2


@dataclass(frozen=True, slots=True)
class WebpParts:
    """How many bytes of a WebP are metadata, and how many are pictures, in either way of coding them.

    A frame of an animation counts as what it begins with; alpha before a lossy picture is of it.
    """

    metadata_bytes: int
    lossy_bytes: int
    lossless_bytes: int


def webp_parts(data: Bytes) -> WebpParts | None:
    """Sections "Extended File Format" and "Animation". None where there are so many chunks that more may follow."""
    metadata = lossy = lossless = chunks = 0
    for chunks, (kind, start, end) in enumerate(webp_chunks(data), 1):  # noqa: B007 - counted for what follows
        if kind in _METADATA:
            metadata += end - start
            continue
        if kind == b"ANMF":
            first = start + _FRAME_HEADER_BYTES
            is_lossy = data[first : first + 4] != b"VP8L"
        else:
            is_lossy = kind == b"VP8 "
        lossy += is_lossy * (end - start)
        lossless += (not is_lossy) * (end - start)
    return WebpParts(metadata, lossy, lossless) if chunks < MAX_PARTS else None
