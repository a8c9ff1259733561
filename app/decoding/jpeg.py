"""JPEG, decoded strictly (docs/adr/0003-libvips.md)."""

import pyvips

from app.decoding.libvips import open_image
from app.decoding.picture import Picture
from app.decoding.pixels import Pixels, computed
from app.decoding.scaling import Reduce, shrinking
from app.formats.jpeg import END, JpegFrame, JpegParts
from app.models import ContentType

LONG_RUN = 32
"""Bytes of one value at the end of a JPEG's last scan, after which up to three decodings tell whether it is whole."""

_COMPARED_AT_ONCE = 65_536  # bytes
_MAX_HEIGHT = 0xFFFF  # T.81 section B.2.2: two bytes
_HALVED_COLOURS = b"\x22\x11\x11"
_BLOCK = 8  # pixels; libvips reads as many rows at once, and looks before each time whether it was warned


def decode_jpeg(
    jpeg: JpegParts, size: tuple[float, float], width: int, reduce: Reduce, *, run: int, may_repeat: bool
) -> Pixels:
    """The picture reduced. Raises pyvips.Error unless the scans give all of it, without any warning.

    Decoders fill up what is missing and warn. They cannot warn where a cut file was filled up with bytes that happen to
    be codes of flat blocks. So a file that ends in a long run of one byte must either fail with less of the run (the
    picture is flat there), or decode without it (it is padding). `run` is what `run_at_end` says. A file that fails
    with a short run is tried without it only if it `may_repeat`.
    """
    options = _options(jpeg.frame, width, size)
    height = jpeg.frame.height
    picture = jpeg.picture(height=_checked_height(jpeg.frame, **options))

    def decoded(scans: bytearray) -> Pixels:
        opened = open_image(scans, ContentType.JPEG, fail_on="warning", **options)
        rows = max(1, height // options["shrink"])
        shown = opened if rows == opened.height else Picture(opened.image.crop(0, 0, opened.width, rows))
        are_left = -(-rows // _BLOCK) * _BLOCK < opened.height  # rows that are only read to look for warnings
        return computed(reduce(shown), of=opened, to_the_end=are_left)

    def decoded_or_none(scans: bytearray) -> Pixels | None:
        try:
            return decoded(scans)
        except pyvips.Error:
            return None

    small = decoded_or_none(picture)
    if small and (run < LONG_RUN or not decoded_or_none(picture[: -len(END) - LONG_RUN // 2] + END)):
        return small
    if run < LONG_RUN and not may_repeat:
        raise pyvips.Error("it has to be whole at once")
    return decoded(picture[: len(picture) - len(END) - run + 1] + END)  # it has to do without the run


def _options(frame: JpegFrame, width: int, size: tuple[float, float]) -> dict[str, int]:
    """By how much to shrink while decoding: no more than lets every warning be noticed; see `_checked_height`."""
    shrink: int = shrinking(ContentType.JPEG, width, frame.height, size)["shrink"]
    if frame.is_one_pass:
        return {"shrink": min(shrink, 2) if frame.samplings == _HALVED_COLOURS else 1}
    return {"shrink": shrink}


def _checked_height(frame: JpegFrame, *, shrink: int) -> int:
    """The height to declare so that libvips notices every warning.

    It looks for warnings before each read of eight rows, so one raised by the last read would be missed. A JPEG in
    several scans raises all of them before its first row. In one scan, each row of blocks (MCUs) raises its own: where
    that takes several reads, a later read notices; otherwise one row is added, which is missing, but the warning of
    that is raised by the last read. (Earlier if colours were smoothed between rows, since the decoder would read ahead;
    it smooths only where MCUs are 16 rows high and nothing is shrunk.)
    """
    if not frame.is_one_pass:
        return frame.height
    together = _BLOCK * max(factors & 15 for factors in frame.samplings)
    whole = -(-frame.height // together) * together
    return min(whole if together > _BLOCK * shrink else whole + shrink, _MAX_HEIGHT)


def run_at_end(jpeg: JpegParts) -> int:
    """How often the last byte before the end marker stands there, without a copy of a large picture."""
    last, run = b"", 0
    for part in reversed(jpeg.parts[:-1]):
        for stop in range(len(part), 0, -_COMPARED_AT_ONCE):
            piece = bytes(part[max(0, stop - _COMPARED_AT_ONCE) : stop])
            last = last or piece[-1:]
            left = piece.rstrip(last)
            run += len(piece) - len(left)
            if left:
                return run
    return run
