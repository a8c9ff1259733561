"""XMP: what it says of places and rights (ISO 16684-1).

A packet is XML in UTF-8. It is not parsed but walked, tag by tag, so that the rest of it stays as it
is to the byte. Every expression takes time in proportion to the packet, also to a hostile one.
"""

import html
import re
from collections.abc import Iterator

from app.formats import MAX_PARTS

_INSTRUCTION = re.compile(rb"<\?[^<>]*+>")
_TAG = re.compile(rb"<(/?)([A-Za-z_][\w.:-]*+)((?:[^<>\"']++|\"[^<\"]*+\"|'[^<']*+')*+)>")
_ATTRIBUTE = re.compile(rb"(?<![\w.:-])([\w.:-]++)\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+')")
# Local names, whichever prefixes they have: of the Exif, Photoshop and IPTC schemas, of W3C's "geo", Dublin
# Core, and of makers of drones, one of which writes "longtitude".
_PLACE = re.compile(
    rb"gps.*|.*(?:lat|longt?|alt)itude.*|lat|long?|lat_long|point|city|country|country(?:code|name|iso)|state"
    rb"|province(?:state)?|(?:sub|shot)?location|location(?:created|shown|name|id)|coverage|worldregion",
    re.IGNORECASE,
)
_MAX_NOTICE_CHARACTERS = 4000  # html.unescape takes seconds for millions, and fails at a number of 4,300 digits


def without_place(packet: bytes) -> bytes | None:
    """The packet as long as it was, with blanks where it said a place.

    None where its tags do not match, or where it has more than tags and text, or very many.
    """
    if not _is_walkable(packet):
        return None
    out = bytearray(packet)
    elements: list[tuple[bytes, int]] = []  # that are open: their names and where they begin
    telling: int | None = None  # how many were open once the outermost that says a place was
    for tag in _TAG.finditer(packet):
        is_end, name, attributes = tag.groups()
        if not is_end:
            elements.append((name, tag.start()))
            if telling is None and _says_place(name):
                telling = len(elements)
            for start, end in _telling_attributes(tag):
                out[start:end] = b" " * (end - start)
        if is_end or attributes.endswith(b"/"):
            if not elements or elements[-1][0] != name:
                return None
            if telling == len(elements):
                begin = elements[-1][1]
                out[begin : tag.end()] = b" " * (tag.end() - begin)
                telling = None
            elements.pop()
    return None if elements else bytes(out)


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
            inside = not (tag[1] or tag[3].endswith(b"/"))
        elif inside and name == b"li" and not tag[1]:
            text = packet[tag.end() :].partition(b"<")[0].decode(errors="replace")
            return html.unescape(text[:_MAX_NOTICE_CHARACTERS]).strip().encode()
    return b""


def _is_walkable(packet: bytes) -> bool:
    """Whether it has tags, instructions and text only, not too many, in UTF-8; the other encodings have NULs.

    Whatever else begins with "<" (comments, CDATA, entities, names beyond ASCII) could hide a tag, or be
    taken for one.
    """
    parts = packet.count(b"<")
    if parts > MAX_PARTS or b"\0" in packet:
        return False
    return parts == sum(1 for kind in (_TAG, _INSTRUCTION) for _ in kind.finditer(packet))


def _says_place(name: bytes) -> bool:
    return _PLACE.fullmatch(name.rpartition(b":")[2]) is not None
