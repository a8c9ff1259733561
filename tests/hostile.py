"""Files that are made to hurt: small to send, dear to decode, or something else besides an image."""

import io
import random
import struct
import zlib
from collections.abc import Callable

import pyvips
from PIL import Image as Pillow

from tests.samples import photo, picture, png_chunk, with_png_chunks

MEGABYTE = 1024 * 1024
PAYLOADS = {
    "HTML": b"<html><script>alert(1)</script></html>",
    "JS": b"*/=1;alert(1);/*",
    "ZIP": b"PK\x05\x06" + bytes(18),
}


def png_bomb(width: int, height: int, *, depth: int = 8, colour: int = 6, interlaced: bool = False) -> bytes:
    """A PNG of nothing but zeros, which deflate makes a thousand times smaller."""
    row = 1 + width * depth // 8 * {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    packer = zlib.compressobj(9)
    rows = height + 2 * interlaced  # its seven passes have more rows, each with a byte of its own
    packed = [packer.compress(bytes(row)) for _ in range(rows)] + [packer.flush()]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", b"".join(packed))
        + png_chunk(b"IEND", b"")
    )


def progressive_jpeg(width: int, height: int, scans: int) -> bytes:
    """A gray JPEG whose scans all bring the same: one bit for each block, that it has nothing (T.81 annex G)."""
    blocks = -(-width // 8) * -(-height // 8)
    nothing = bytes(-(-blocks // 8))

    def segment(code: int, content: bytes) -> bytes:
        return bytes((0xFF, code)) + struct.pack(">H", len(content) + 2) + content

    one_code = bytes([1] + [0] * 15) + b"\0"
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xDB, b"\0" + b"\1" * 64),
            segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"),
            segment(0xC4, b"\x00" + one_code + b"\x10" + one_code),
            segment(0xDA, b"\1\1\0\0\0\0") + nothing,
            (segment(0xDA, b"\1\1\0\1\x3f\0") + nothing) * (scans - 1),
            b"\xff\xd9",
        ]
    )


def gif_frames(frames: int, size: tuple[int, int] = (8, 8)) -> bytes:
    data = picture("GIF", size)
    first = data.index(b"\x2c\0\0\0\0")  # the frame's descriptor; behind its pixels comes the trailer
    return data[:first] + data[first:-1] * frames + b";"


def webp_frames(frames: int) -> bytes:
    pages = [Pillow.new("RGB", (8, 8), (page % 256, page // 256, 0)) for page in range(frames)]
    target = io.BytesIO()
    pages[0].save(target, "WEBP", save_all=True, append_images=pages[1:], lossless=True)
    return target.getvalue()


def large_webp(side: int) -> bytes:
    target = io.BytesIO()
    Pillow.new("RGB", (side, side), "red").save(target, "WEBP", lossless=True, method=0)
    return target.getvalue()


def png_with(kind: bytes, head: bytes, *, inflated: int) -> bytes:
    return with_png_chunks(png_chunk(kind, head + zlib.compress(bytes(inflated), 9)))


def jpeg_with_segments(count: int) -> bytes:
    data = photo()
    return data[:2] + (b"\xff\xe2\xff\xff" + bytes(65_533)) * count + data[2:]


def webp_with_profile(size: int) -> bytes:
    target = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(target, "WEBP", icc_profile=bytes(size))
    return target.getvalue()


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def gif_of_tiny_blocks(size: int) -> bytes:
    return b"GIF89a" + bytes(7) + b"\x21\xfe" + b"\1x" * (size // 2) + b"\0;"


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "PNG of 13,000 x 13,000": (lambda: png_bomb(13_000, 13_000), "169000000 pixels"),
    "PNG of 2,000,000 x 1": (lambda: png_bomb(2_000_000, 1, colour=0), "on its longer side"),
    "PNG of 49 MP, 16 bits, interlaced": (
        lambda: png_bomb(7000, 7000, depth=16, interlaced=True),
        "bytes of memory to decode",
    ),
    "zTXt of 64 MB": (lambda: png_with(b"zTXt", b"a\0\0", inflated=64 * MEGABYTE), "profiles, Exif data and texts"),
    "iCCP of 64 MB": (lambda: png_with(b"iCCP", b"a\0\0", inflated=64 * MEGABYTE), "profiles, Exif data and texts"),
    "iTXt of 64 MB": (
        lambda: png_with(b"iTXt", b"a\0\1\0\0\0", inflated=64 * MEGABYTE),
        "profiles, Exif data and texts",
    ),
    "JPEG of 1,500 scans": (lambda: progressive_jpeg(2048, 2048, 1500), "more scans .* the limit is 100"),
    "JPEG of 49 MP in 100 scans": (lambda: progressive_jpeg(7000, 7000, 100), "seconds to decode"),
    "JPEG with 9 MB of application data": (lambda: jpeg_with_segments(144), "profiles, Exif data and texts"),
    "JPEG of 24,000 frame headers": (
        lambda: b"\xff\xd8" + (b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", 8, 8) + b"\1\1\x11\0") * 24_000 + b"\xff\xd9",
        "does not lead to its end",
    ),
    "GIF of 2,000 frames": (lambda: gif_frames(2000), "more frames .* the limit is 1000"),
    "GIF of 100 MiB in blocks of one byte": (lambda: gif_of_tiny_blocks(100 * MEGABYTE), "does not lead to its end"),
    "GIF of 100 MiB of empty extensions": (
        lambda: gif_frames(1)[:-1] + b"\x21\xfe\0" * (100 * MEGABYTE // 3) + b";",
        "does not lead to its end",
    ),
    "WebP of 2,000 frames": (lambda: webp_frames(2000), "more frames .* the limit is 1000"),
    "WebP with a profile of 8 MB": (lambda: webp_with_profile(8 * MEGABYTE), "profiles, Exif data and texts"),
    "half of a JPEG": (lambda: _half(picture("JPEG", (640, 480))), "damaged or cut short"),
    "half of a PNG": (lambda: _half(picture("PNG", (640, 480))), "damaged or cut short"),
    "half of a GIF": (lambda: _half(picture("GIF", (640, 480))), "damaged or cut short"),
    "half of a WebP": (lambda: _half(picture("WEBP", (640, 480))), "damaged or cut short"),
}
"""What must be refused: how it is made, and what the refusal says."""


def noise(width: int, height: int, *, bands: int = 3, frames: int = 1) -> pyvips.Image:
    """What no encoder can make small; frames below each other."""
    pixels = random.Random(0).randbytes(width * height * bands * frames)
    interpretation = "b-w" if bands == 1 else "srgb"
    image = pyvips.Image.new_from_memory(pixels, width, height * frames, bands, "uchar")
    image = image.copy(interpretation=interpretation)
    if frames > 1:
        image.set_type(pyvips.GValue.gint_type, "page-height", height)
    return image


def filtered_png(width: int, height: int) -> bytes:
    """A PNG of 16 bits whose rows all need the dearest filter, Paeth's (PNG specification, section 9.4)."""
    row = b"\4" + random.Random(0).randbytes(64) * (width * 8 // 64)
    packer = zlib.compressobj(1)
    packed = [packer.compress(row) for _ in range(height)] + [packer.flush()]
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"".join(packed)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*it) for it in chunks)


def _saved(image: pyvips.Image, kind: str, **options: object) -> bytes:
    return bytes(image.write_to_buffer(f".{kind}", **options))


DEAR: dict[str, Callable[[], bytes]] = {
    "PNG of 49 MP": lambda: png_bomb(7000, 7000),
    "PNG of 49 MP, 16 bits": lambda: png_bomb(7000, 7000, depth=16),
    "PNG of 49 MP, interlaced": lambda: png_bomb(7000, 7000, interlaced=True),
    "JPEG of 49 MP in 20 scans": lambda: progressive_jpeg(7000, 7000, 20),
    "JPEG of 9 MP in 100 scans": lambda: progressive_jpeg(3000, 3000, 100),
    "GIF of 1,000 frames, 49 MP in all": lambda: gif_frames(1000, (221, 221)),
    "WebP of 49 MP": lambda: large_webp(7000),
    "PNG of 49 MP, noise": lambda: _saved(noise(7000, 7000, bands=1), "png", compression=1),
    "PNG of 49 MP, 16 bits, filtered": lambda: filtered_png(6976, 7000),
    "JPEG of 49 MP, noise": lambda: _saved(noise(7000, 7000), "jpg", Q=90, subsample_mode="off"),
    "JPEG of 49 MP, noise, progressive": lambda: _saved(
        noise(7000, 7000), "jpg", Q=90, subsample_mode="on", interlace=True
    ),
    "JPEG of 40 MP, noise, progressive, 4:4:4": lambda: _saved(
        noise(6300, 6300), "jpg", Q=85, subsample_mode="off", interlace=True
    ),
    "GIF of one frame, 49 MP of noise": lambda: _saved(noise(7000, 7000, bands=1), "gif", effort=1),
    "GIF of 900 frames, 44 MP of noise in all": lambda: _saved(noise(221, 221, bands=1, frames=900), "gif", effort=1),
    "WebP of 30 MP, noise, lossless": lambda: _saved(noise(5500, 5400), "webp", lossless=True, effort=0),
    "WebP of 28 MP, noise, lossy": lambda: _saved(noise(5300, 5300), "webp", Q=80, effort=0),
    "WebP of 10 frames, 40 MP of noise in all, lossy": lambda: _saved(
        noise(2000, 2000, frames=10), "webp", Q=90, effort=0
    ),
}
"""What is within the limits or little beyond, and about as dear as they allow."""
