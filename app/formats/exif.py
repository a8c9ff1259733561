"""Exif: what has to stay of it, and all of it without the place (Exif 2.32; TIFF 6.0, section 2).

Blocks come from anybody, so every offset is looked at before it is followed, none twice, and their
number is limited. A block may begin with the six bytes that JPEG puts before it.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

UPRIGHT = 1
SIDEWAYS = 5
"""The first of the orientations that swap width and height (Exif 2.32, tag 0x0112)."""

PREFIX = b"Exif\0\0"
MAX_COPYRIGHT_BYTES = 2000
"""A longer notice is cut, between two characters if it is UTF-8."""

_MAX_ENTRIES = 5000  # a camera writes about a hundred
_ASCII, _SHORT, _UTF8 = 2, 3, 129  # the last since Exif 3.0
_TYPE_BYTES = dict(enumerate((0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4))) | {_UTF8: 1}  # of one value, by its kind
_ORIENTATION, _COPYRIGHT = 0x0112, 0x8298
_EXIF, _GPS, _INTEROPERABILITY, _SUB_IFDS = 0x8769, 0x8825, 0xA005, 0x014A
_LEADS_ON = frozenset({_EXIF, _GPS, _INTEROPERABILITY, _SUB_IFDS})
_XMP, _IPTC = 0x02BC, 0x83BB
_PLACES = frozenset({_GPS, _XMP, _IPTC})  # the last two stand here in TIFF files only, and may say where


class _Malformed(Exception):
    """No reader could make sense of this block, or it was made to keep one busy."""


class _Span(NamedTuple):
    """From one offset up to but not including another."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of a directory: where its twelve bytes are, and where its value is, if that is there at all."""

    tag: int
    kind: int
    at: int
    value: _Span


@dataclass(frozen=True, slots=True)
class _Directory:
    """One Exif directory (IFD): `tag` is the entry that pointed to it, 0 for the main chain.

    `table` spans its count, its entries and the offset of the next, without values stored elsewhere in the block.
    """

    tag: int
    table: _Span
    entries: list[_Entry]


def minimal(orientation: int, copyright_notice: bytes) -> bytes:
    """A block that says only these two; empty where it is upright, and nobody is named."""
    notice = _beginning(copyright_notice).rstrip(b"\0 ")
    notice = notice + b"\0" if notice else b""
    count = (orientation != UPRIGHT) + bool(notice)
    if count == 0:
        return b""
    block = b"MM\0*\0\0\0\x08" + count.to_bytes(2, "big")
    if orientation != UPRIGHT:
        block += _entry(_ORIENTATION, _SHORT, 1, orientation.to_bytes(2, "big"))
    values_at = 8 + 2 + 12 * count + 4
    if notice:
        is_short = len(notice) <= 4
        block += _entry(_COPYRIGHT, _ASCII, len(notice), notice if is_short else values_at.to_bytes(4, "big"))
        notice = b"" if is_short else notice
    return block + bytes(4) + notice


def _beginning(notice: bytes) -> bytes:
    """As much of a notice as is kept."""
    end = MAX_COPYRIGHT_BYTES
    # A character of UTF-8 has up to three bytes behind its first (RFC 3629, section 3). Other encodings may have more.
    while MAX_COPYRIGHT_BYTES - 3 < end < len(notice) and 0x80 <= notice[end] < 0xC0:
        end -= 1
    return notice[:end]


def _entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
    return tag.to_bytes(2, "big") + kind.to_bytes(2, "big") + count.to_bytes(4, "big") + value.ljust(4, b"\0")


def copyright_notice(block: bytes) -> bytes:
    """Who holds the rights, as it stands there (tag 0x8298); empty where nobody is named."""
    tiff = block.removeprefix(PREFIX)
    try:
        main = _directories(tiff)[0]
    except _Malformed:
        return b""
    for entry in main.entries:
        if entry.tag == _COPYRIGHT and entry.kind in {_ASCII, _UTF8}:
            # The photographer's and the editor's notices have a NUL between them.
            return tiff[slice(*entry.value)].rstrip(b"\0 ")
    return b""


def without_place(block: bytes) -> bytes | None:
    """The block with the place zeroed. It keeps its length, and nothing moves but the entries behind
    the one that pointed to the place.

    None where that cannot be done: it is malformed, what says the place is also used for something else, or where it
    ends is not known.
    """
    prefix = PREFIX if block.startswith(PREFIX) else b""
    tiff = block.removeprefix(PREFIX)
    try:
        directories = _directories(tiff)
    except _Malformed:
        return None
    if not any(entry.tag in _PLACES for directory in directories for entry in directory.entries):
        return block
    telling, others = _spans(directories)
    places = (entry for directory in directories for entry in directory.entries if directory.tag == _GPS)
    if _overlap(telling, others) or not all(_TYPE_BYTES.get(entry.kind) for entry in places):
        return None
    out = bytearray(tiff)
    for span in telling:
        out[slice(*span)] = bytes(span.end - span.start)
    for directory in directories:
        if directory.tag != _GPS:
            if not (kept := [entry for entry in directory.entries if entry.tag not in _PLACES]):
                return None  # a directory must have an entry
            _write_table(out, directory, kept)
    return prefix + bytes(out)


def _spans(directories: list[_Directory]) -> tuple[list[_Span], list[_Span]]:
    """What tells the place, and what everything else needs."""
    telling: list[_Span] = []
    others = [_Span(0, 8)]
    for directory in directories:
        is_place = directory.tag == _GPS
        (telling if is_place else others).append(directory.table)
        for entry in directory.entries:
            if entry.value.start != entry.at + 8:
                (telling if is_place or entry.tag in _PLACES else others).append(entry.value)
    return telling, others


def _write_table(out: bytearray, directory: _Directory, kept: list[_Entry]) -> None:
    """Fewer entries, each as it was; what they leave free is zeroed behind the offset of the next directory."""
    start, end = directory.table
    table = b"".join(bytes(out[entry.at : entry.at + 12]) for entry in kept)
    following = bytes(out[start + 2 + 12 * len(directory.entries) : end])
    order = _byte_order(out)
    out[start:end] = (len(kept).to_bytes(2, order) + table + following).ljust(end - start, b"\0")


def _overlap(telling: list[_Span], others: list[_Span]) -> bool:
    """Whether a byte is in a span of both."""
    spans = sorted((span, kind) for kind, them in enumerate((telling, others)) for span in them)
    reach = [0, 0]  # how far the spans of each kind have come
    for span, kind in spans:
        if span.start < min(span.end, reach[1 - kind]):
            return True
        reach[kind] = max(reach[kind], span.end)
    return False


def _directories(tiff: bytes) -> list[_Directory]:
    """The main directory first, then all that it leads to. Raises _Malformed."""
    order = _byte_order(tiff)
    found: list[_Directory] = []
    seen: set[int] = set()
    left = _MAX_ENTRIES
    waiting = [(0, int.from_bytes(tiff[4:8], order))]
    while waiting:
        tag, at = waiting.pop()
        if at in seen:
            raise _Malformed
        seen.add(at)
        try:
            directory = _directory(tiff, tag, at, left)
        except _Malformed:
            if tag == _GPS or not found:
                raise
            continue  # nobody reads it
        left -= len(directory.entries) + 1
        found.append(directory)
        for entry in directory.entries:
            if entry.tag in _LEADS_ON:
                span = entry.value if entry.tag == _SUB_IFDS else _Span(entry.at + 8, entry.at + 12)
                offsets = range(span.start, span.end, 4)[:left]
                waiting += [(entry.tag, int.from_bytes(tiff[offset : offset + 4], order)) for offset in offsets]
        following = int.from_bytes(tiff[directory.table.end - 4 : directory.table.end], order)
        if tag == 0 and following:  # of others no reader follows it, and some cameras leave anything there
            waiting.append((0, following))
    return found


def _directory(tiff: bytes, tag: int, at: int, most: int) -> _Directory:
    order = _byte_order(tiff)
    count = int.from_bytes(tiff[at : at + 2], order)
    end = at + 2 + 12 * count + 4
    if count > most or at < 8 or end - 4 > len(tiff):
        raise _Malformed
    entries = []
    for entry_at in range(at + 2, at + 2 + 12 * count, 12):
        kind = int.from_bytes(tiff[entry_at + 2 : entry_at + 4], order)
        size = int.from_bytes(tiff[entry_at + 4 : entry_at + 8], order) * _TYPE_BYTES.get(kind, 0)
        value_at = entry_at + 8 if size <= 4 else int.from_bytes(tiff[entry_at + 8 : entry_at + 12], order)
        value = _Span(min(value_at, len(tiff)), min(value_at + size, len(tiff)))
        entries.append(_Entry(int.from_bytes(tiff[entry_at : entry_at + 2], order), kind, entry_at, value))
    return _Directory(tag, _Span(at, min(end, len(tiff))), entries)


def _byte_order(tiff: bytes | bytearray) -> Literal["little", "big"]:
    match bytes(tiff[:4]):
        case b"II*\0":
            return "little"
        case b"MM\0*":
            return "big"
    raise _Malformed
