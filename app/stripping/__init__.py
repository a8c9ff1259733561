"""From a file to the same file without its metadata, or without the place. Pure: no I/O of its own.

Nothing is decoded or encoded: what makes the pixels is copied as it is, and stripping again changes
nothing more. What stays of the metadata is what a picture needs to look right, orientation and colour
profile, and who holds the rights. The file must have passed `imaging.inspect`. The reasons are in
docs/adr/0017-stripping.md.
"""

from collections.abc import Callable, Iterator, Mapping

from app.formats import Buffer, Bytes, exif
from app.models import ContentType, StripMetadata
from app.stripping.edits import Edit
from app.stripping.gif import gif_edits
from app.stripping.jpeg import jpeg_edits
from app.stripping.png import png_edits
from app.stripping.webp import webp_edits

MOST_ADDED_BYTES = 64 + exif.MAX_COPYRIGHT_BYTES
"""By which a file may grow: an Exif block, for a copyright notice that stood compressed elsewhere."""


def stripped(
    data: Bytes, content_type: ContentType, strip: StripMetadata, *, orientation: int
) -> Iterator[Buffer] | None:
    """The pieces of the file without what `strip` names; None where there is none of it.

    `orientation` is the Exif orientation with which the picture is shown.
    """
    if strip is StripMetadata.NONE:
        return None
    edits = [
        edit
        for edit in sorted(_EDITS[content_type](data, strip, orientation))
        if data[edit.start : edit.end] != edit.content
    ]
    return _pieces(data, edits) if edits else None


def _pieces(data: Bytes, edits: list[Edit]) -> Iterator[Buffer]:
    view = memoryview(data)
    position = 0
    for edit in edits:
        yield view[position : edit.start]
        yield edit.content
        position = edit.end
    yield view[position:]


_EDITS: Mapping[ContentType, Callable[[Bytes, StripMetadata, int], Iterator[Edit]]] = {
    ContentType.JPEG: jpeg_edits,
    ContentType.PNG: png_edits,
    ContentType.GIF: gif_edits,
    ContentType.WEBP: webp_edits,
}
