"""JPEG, decoded strictly (docs/adr/0003-libvips.md)."""

import pyvips

from app.decoding.libvips import open_image
from app.decoding.picture import Picture
from app.decoding.pixels import Pixels, computed
from app.decoding.scaling import Reduce, shrinking
from app.formats.jpeg import JpegFrame, JpegParts
from app.models import ContentType

LONG_RUN = 32
"""Bytes of one value at the end of a JPEG's last scan, after which up to three decodings tell whether it is whole."""

_MAX_HEIGHT = 0xFFFF  # T.81 section B.2.2: two bytes
_HALVED_COLOURS = b"\x22\x11\x11"
_BLOCK = 8  # pixels; libvips reads as many rows at once, and looks before each time whether it was warned


def decode_jpeg(
    jpeg: JpegParts, size: tuple[float, float], width: int, reduce: Reduce, *, run: int, may_repeat: bool
) -> Pixels:
    """The picture reduced. Raises pyvips.Error unless the scans give all of it, with nothing to be warned of.

    Decoders fill up what is missing and warn. They cannot warn where a cut file was filled up with
    bytes that happen to be codes of flat blocks, so a long run of one byte at the end is looked at twice:
    a real picture needs all of it (it is flat there), or none of it (it is padding). `run` is what
    `run_at_end` says; one that is not long is tried without only if it `may_repeat`.
    """
    options = _options(jpeg.frame, width, size)
    height = jpeg.frame.height
    jpeg.picture[jpeg.frame.height_at : jpeg.frame.height_at + 2] = _checked_height(jpeg.frame, **options).to_bytes(2)

    def decoded(scans: bytearray) -> Pixels:
        opened = open_image(scans, ContentType.JPEG, fail_on="warning", **options)
        rows = max(1, height // options["shrink"])
        picture = opened if rows == opened.height else Picture(opened.image.crop(0, 0, opened.width, rows))
        are_left = -(-rows // _BLOCK) * _BLOCK < opened.height  # rows that are only read to look for warnings
        return computed(reduce(picture), of=opened, to_the_end=are_left)

    def decoded_or_none(scans: bytearray) -> Pixels | None:
        try:
            return decoded(scans)
        except pyvips.Error:
            return None

    picture, end = jpeg.picture, jpeg.picture[-2:]
    small = decoded_or_none(picture)
    if small and (run < LONG_RUN or not decoded_or_none(picture[: -2 - LONG_RUN // 2] + end)):
        return small
    if run < LONG_RUN and not may_repeat:
        raise pyvips.Error("it has to be whole at once")
    return decoded(picture[: len(picture) - 2 - run + 1] + end)  # it has to do without the run


def _options(frame: JpegFrame, width: int, size: tuple[float, float]) -> dict[str, int]:
    """By how much decoding may shrink so that nothing it would warn of gets lost; see `_checked_height`."""
    shrink: int = shrinking(ContentType.JPEG, width, frame.height, size)["shrink"]
    if frame.is_one_pass:
        return {"shrink": min(shrink, 2) if frame.samplings == _HALVED_COLOURS else 1}
    return {"shrink": shrink}


def _checked_height(frame: JpegFrame, *, shrink: int) -> int:
    """The height that the decoder is told, so that all warnings come before rows that are still to be read.

    Of several passes all come before the first row. Else each comes with the first of the rows that are coded
    together, and is seen when the next eight are read: some must be left behind the last warning. If more than eight
    rows are coded together, those are left. If not, there is one row more, of which nobody sees that it is missing.
    (A decoder that smooths colours from row to row would, as it looks ahead; it does where 16 rows are coded together.)
    """
    if not frame.is_one_pass:
        return frame.height
    together = _BLOCK * max(factors & 15 for factors in frame.samplings)
    whole = -(-frame.height // together) * together
    return min(whole if together > _BLOCK * shrink else whole + shrink, _MAX_HEIGHT)


def run_at_end(picture: bytearray) -> int:
    """How often the last byte before the end marker stands there, without a copy of a large picture."""
    stop = len(picture) - 2
    while stop > 0:
        start = max(0, stop - 65_536)
        piece = picture[start:stop].rstrip(picture[-3:-2])
        if piece:
            return len(picture) - 2 - start - len(piece)
        stop = start
    return len(picture) - 2
