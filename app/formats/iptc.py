"""IPTC captions in a JPEG: datasets in one of Photoshop's image resources (IPTC-NAA IIM 4.2; Adobe Photoshop
File Formats Specification, "Image Resources")."""

from collections.abc import Iterator
from typing import NamedTuple

PREFIX = b"Photoshop 3.0\0"
_CAPTIONS = 0x0404
_WHOLE_BLOCKS = frozenset({0x0422, 0x0423, 0x0424})  # Exif and XMP, which JPEG has in segments of their own
# Record 2: location code and name, city, sub-location, province, country's code and name.
_PLACES = frozenset({26, 27, 90, 92, 95, 100, 101})
_COPYRIGHT = 116


class _Malformed(Exception):
    """The parts do not lead to the end."""


class _Dataset(NamedTuple):
    number: int
    start: int
    end: int


def copyright_notice(segment: bytes) -> bytes:
    """Who holds the rights (dataset 2:116); empty where nobody is named."""
    try:
        return next((segment[it.start : it.end] for it in _datasets(segment) if it.number == _COPYRIGHT), b"")
    except _Malformed:
        return b""


def without_place(segment: bytes) -> bytes | None:
    """The segment as long as it was, with blanks where it said a place. None where it is malformed."""
    out = bytearray(segment)
    try:
        for found in _datasets(segment):
            if found.number in _PLACES:
                out[found.start : found.end] = b" " * (found.end - found.start)
    except _Malformed:
        return None
    return bytes(out)


def _datasets(segment: bytes) -> Iterator[_Dataset]:
    """Those of record 2, in all resources of captions."""
    position = len(PREFIX)
    while position < len(segment):
        name_at = position + 6
        if segment[position : position + 4] != b"8BIM" or name_at >= len(segment):
            raise _Malformed
        kind = int.from_bytes(segment[position + 4 : name_at], "big")
        size_at = name_at + (segment[name_at] + 2) // 2 * 2  # the name's length, the name, and a NUL if that is odd
        start = size_at + 4
        end = start + int.from_bytes(segment[size_at:start], "big")
        if end > len(segment) or kind in _WHOLE_BLOCKS:
            raise _Malformed
        if kind == _CAPTIONS:
            yield from _of_captions(segment, start, end)
        position = end + (end - start) % 2


def _of_captions(segment: bytes, position: int, end: int) -> Iterator[_Dataset]:
    while position + 5 <= end and segment[position] == 0x1C:
        start = position + 5
        length = int.from_bytes(segment[position + 3 : start], "big")
        if length & 0x8000 or start + length > end:  # an extended length is that of a file inside
            raise _Malformed
        if segment[position + 1] == 2:
            yield _Dataset(segment[position + 2], start, start + length)
        position = start + length
    if segment[position:end].strip(b"\0"):
        raise _Malformed
