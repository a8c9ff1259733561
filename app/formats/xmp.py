"""XMP: what it says of places and rights (ISO 16684-1).

A packet is XML in UTF-8. It is not parsed but walked, tag by tag, so that the rest of it stays as it
is to the byte. Each expression reads on from where it failed at most once, whatever it is given.
"""

import html
import re
from collections.abc import Iterator

_TAG = re.compile(rb"<(/?)([A-Za-z_][\w.:-]*+)((?:[^<>\"']++|\"[^<\"]*+\"|'[^<']*+')*+)>")
_ATTRIBUTE = re.compile(rb"(?<![\w.:-])([\w.:-]++)\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+')")
# Local names of the Exif, Photoshop and IPTC schemas, whichever prefixes they have; besides all that begin with GPS.
_PLACES = frozenset({
    b"city", b"country", b"countrycode", b"location", b"locationcreated", b"locationshown", b"state"
})  # fmt: skip
_MAX_COPYRIGHT_BYTES = 2000


def without_place(packet: bytes) -> bytes | None:
    """The packet as long as it was, with blanks where it said a place. None where its tags do not match."""
    if not _is_walkable(packet):
        return None
    out = bytearray(packet)
    depth = begin = 0
    for tag in _TAG.finditer(packet):
        is_end, name, attributes = tag.groups()
        is_empty = attributes.endswith(b"/")
        if depth:
            depth += 0 if is_empty else -1 if is_end else 1
        elif not is_end and _says_place(name):
            begin, depth = tag.start(), 0 if is_empty else 1
        else:
            for start, end in _telling_attributes(tag):
                out[start:end] = b" " * (end - start)
            continue
        if depth == 0:
            out[begin : tag.end()] = b" " * (tag.end() - begin)
    return bytes(out) if depth == 0 else None


def _telling_attributes(tag: re.Match[bytes]) -> Iterator[tuple[int, int]]:
    for attribute in _ATTRIBUTE.finditer(tag.string, tag.start(3), tag.end(3)):
        if _says_place(attribute[1]):
            yield attribute.span()


def copyright_notice(packet: bytes) -> bytes:
    """Who holds the rights, in the first language that is there (dc:rights); empty where nobody is named."""
    if not _is_walkable(packet):
        return b""
    inside = False
    for tag in _TAG.finditer(packet):
        name = tag[2].rpartition(b":")[2]
        if name == b"rights":
            inside = not tag[1]
        elif inside and name == b"li" and not tag[1]:
            text = packet[tag.end() : tag.end() + _MAX_COPYRIGHT_BYTES].partition(b"<")[0]
            return html.unescape(text.decode(errors="replace")).strip().encode()
    return b""


def _is_walkable(packet: bytes) -> bool:
    """Whether it is UTF-8 and says all that it says by itself; the other encodings have NULs."""
    return b"\0" not in packet and b"<!DOCTYPE" not in packet and b"<![CDATA[" not in packet


def _says_place(name: bytes) -> bool:
    local = name.rpartition(b":")[2].lower()
    return local.startswith(b"gps") or local in _PLACES
