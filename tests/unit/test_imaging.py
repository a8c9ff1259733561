import dataclasses
import io
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from app.errors import InvalidImage, ServiceError, UnsupportedImageType
from app.formats.gif import GifBlock, gif_blocks
from app.imaging import inspect
from app.models import ContentType, ImageLimits
from app.settings import Settings
from tests.samples import FORMATS, photo, picture, png_chunk, saved, with_orientation, with_png_chunks


def limits(**changes: int) -> ImageLimits:
    return dataclasses.replace(Settings().image_limits, **{"max_pixels": 1_000_000} | changes)


@pytest.mark.parametrize("kind", FORMATS)
def test_facts_of_every_format(kind: str) -> None:
    facts = inspect(picture(kind), limits())
    assert (facts.content_type, facts.width, facts.height, facts.frames) == (ContentType(FORMATS[kind]), 64, 48, 1)
    assert (facts.has_alpha, facts.captured_at) == (False, None)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_animations_have_the_size_of_one_frame(kind: str) -> None:
    facts = inspect(picture(kind, frames=3), limits())
    assert (facts.width, facts.height, facts.frames) == (64, 48, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_width_and_height_are_as_seen(orientation: int, kind: str) -> None:
    facts = inspect(with_orientation(orientation, kind=kind), limits())
    assert facts.orientation == orientation
    assert (facts.width, facts.height) == ((48, 64) if orientation >= 5 else (64, 48))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_file_without_its_last_bytes_is_refused(kind: str, frames: int) -> None:
    whole = picture(kind, frames=frames if kind in {"GIF", "WEBP"} else 1)
    for missing in (1, 2, 5, 12, 13, len(whole) // 2, len(whole) - 14):
        with pytest.raises(InvalidImage):
            inspect(whole[:-missing], limits())


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_behind_the_end_are_allowed(kind: str) -> None:
    assert inspect(picture(kind) + b"PK\x03\x04 and more", limits()).width == 64


@pytest.mark.parametrize("data", [b"", b"x", b"<svg/>", b"%PDF-1.7", b"BM" + b"\0" * 60, b"RIFF\0\0\0\0WAVEfmt "])
def test_other_formats_are_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedImageType):
        inspect(data, limits())


@pytest.mark.parametrize("data", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP"])
def test_magic_bytes_alone_are_no_image(data: bytes) -> None:
    with pytest.raises(InvalidImage):
        inspect(data + b"\0" * 40, limits())


def test_pixels_are_limited_over_all_frames() -> None:
    animation = picture("GIF", frames=3)
    assert inspect(animation, limits(max_pixels=64 * 48 * 3)).frames == 3
    with pytest.raises(InvalidImage, match=r"9216 pixels .* the limit is 9215"):
        inspect(animation, limits(max_pixels=64 * 48 * 3 - 1))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "YCbCr", "1", "I;16"])
def test_the_dominant_colour_is_that_of_every_kind_of_pixels(mode: str) -> None:
    kind = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"
    plain = Pillow.new("RGB", (70, 50), "white" if mode in {"1", "I;16", "L", "LA"} else "#d02040")
    image = (
        Pillow.new("I;16", (70, 50), 65_535)
        if mode == "I;16"
        else plain.convert(mode, palette=Pillow.Palette.ADAPTIVE, dither=Pillow.Dither.NONE)
    )
    expected = image.convert("RGB").getpixel((0, 0)) if mode != "I;16" else (255, 255, 255)
    assert isinstance(expected, tuple)
    found = inspect(saved(image, kind), limits()).dominant_color
    assert found is not None
    seen = bytes.fromhex(found[1:])
    tolerance = 40 if mode == "CMYK" else 3  # without a profile nobody knows what CMYK looks like
    assert all(abs(one - other) <= tolerance for one, other in zip(seen, expected, strict=True)), found


@pytest.mark.parametrize("transform", [{}, {"keep_rgb": True}])
def test_the_colours_of_a_jpeg_are_read_as_its_markers_say(transform: dict[str, Any]) -> None:
    facts = inspect(saved(Pillow.new("RGB", (64, 64), "#2040d0"), "JPEG", **transform), limits())
    assert facts.dominant_color is not None
    assert all(abs(a - b) < 4 for a, b in zip(bytes.fromhex(facts.dominant_color[1:]), b"\x20\x40\xd0", strict=True))


@pytest.mark.parametrize(("kind", "has_alpha"), [("PNG", True), ("WEBP", True), ("GIF", True), ("JPEG", False)])
def test_transparency_is_told(kind: str, has_alpha: bool) -> None:
    image = Pillow.new("RGBA", (20, 20), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 10, 20))
    facts = inspect(saved(image if has_alpha else image.convert("RGB"), kind, lossless=True), limits())
    assert facts.has_alpha is has_alpha
    if has_alpha:
        assert facts.dominant_color == "#0000ff"


def test_all_orientations_of_a_picture_have_one_placeholder() -> None:
    upright = Pillow.linear_gradient("L").resize((64, 48)).convert("RGB")
    upright.paste("red", (0, 0, 20, 20))
    undo = [None, *(Pillow.Transpose(number) for number in (0, 3, 1, 5, 2, 6, 4))]
    found = set()
    for orientation, turn in enumerate(undo, 1):
        exif = Pillow.Exif()
        exif[0x0112] = orientation
        turned = upright if turn is None else upright.transpose(turn)
        found.add(inspect(saved(turned, "WEBP", lossless=True, exif=exif), limits()).placeholder)
    assert len(found) == 1


def test_an_animation_shows_its_first_frame() -> None:
    pages = [Pillow.new("RGB", (64, 48), color) for color in ("#00ff00", "#ff0000", "#0000ff")]
    facts = inspect(saved(pages[0], "GIF", save_all=True, append_images=pages[1:]), limits())
    assert (facts.dominant_color, facts.frames) == ("#00ff00", 3)


@pytest.mark.parametrize(
    ("taken", "offset", "expected"),
    [
        ("2026:01:02 03:04:05", None, "2026-01-02T03:04:05"),
        ("2026:01:02 03:04:05", "+05:30", "2026-01-02T03:04:05+05:30"),
        ("2026:01:02 03:04:05", "local", "2026-01-02T03:04:05"),
        ("0000:00:00 00:00:00", None, None),
        ("yesterday", None, None),
        (None, "+01:00", None),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_when_a_picture_was_taken_is_told_and_where_is_not(
    kind: str, taken: str | None, offset: str | None, expected: str | None
) -> None:
    exif = Pillow.Exif()
    exif[0x010F] = "A maker"  # without a main tag, Pillow writes no Exif into a PNG
    times = exif.get_ifd(0x8769)
    times |= {tag: text for tag, text in ((0x9003, taken), (0x9011, offset)) if text is not None}
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.5)})
    facts = inspect(saved(Pillow.new("RGB", (8, 8)), kind, exif=exif), limits())
    assert facts.captured_at == expected
    assert "48" not in str(facts._replace(captured_at=None, placeholder=None, width=0, height=0))


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT", b"IEND"])
def test_a_png_with_a_wrong_checksum_is_refused(kind: bytes) -> None:
    data = bytearray(picture("PNG"))
    start = data.index(kind) - 4
    data[start + 8 + int.from_bytes(data[start : start + 4], "big")] ^= 1
    with pytest.raises(InvalidImage):
        inspect(bytes(data), limits())


def test_a_wrong_checksum_of_what_is_not_the_picture_is_no_damage() -> None:
    comment = png_chunk(b"tEXt", b"Comment\0hello")[:-1] + b"?"
    assert inspect(with_png_chunks(comment), limits()).width == 64


@pytest.mark.parametrize("screen", [(64, 48), (640, 480), (800, 600), (3000, 100)])
def test_a_gif_is_as_large_as_its_screen(screen: tuple[int, int]) -> None:
    data = bytearray(picture("GIF", (1, 1)))
    data[6:10] = struct.pack("<HH", *screen)
    facts = inspect(bytes(data), limits())
    assert (facts.width, facts.height) == screen
    with pytest.raises(InvalidImage, match="the limit is"):
        inspect(bytes(data), limits(max_pixels=screen[0] * screen[1] - 1))


def gif_frames(data: bytes) -> list[GifBlock]:
    return [it for it in gif_blocks(data) if it.introducer == 0x2C]


def gif_frame_cut(data: bytes, frame: int, sub_blocks: int) -> bytes:
    """The GIF with only so many sub-blocks of one of its frames."""
    block = gif_frames(data)[frame]
    position = block.content
    for _ in range(sub_blocks):
        position += 1 + data[position]
    return data[:position] + b"\0" + data[block.end :]


@pytest.mark.parametrize("frames", [1, 3])
def test_a_gif_frame_whose_data_end_early_is_refused(frames: int) -> None:
    whole = photo_gif(frames)
    assert inspect(whole, limits()).frames == frames
    for frame in range(frames):
        for sub_blocks in (0, 1, 2, 5, 20):
            with pytest.raises(InvalidImage):
                inspect(gif_frame_cut(whole, frame, sub_blocks), limits())


def photo_gif(frames: int) -> bytes:
    with Pillow.open(io.BytesIO(photo())) as first:
        pages = [first.rotate(20 * page).quantize(256) for page in range(frames)]
    return saved(pages[0], "GIF", save_all=True, append_images=pages[1:])


@pytest.mark.parametrize("colours", [2, 4, 256])
def test_a_gif_frame_is_refused_wherever_it_was_cut(colours: int) -> None:
    with Pillow.open(io.BytesIO(photo())) as image:
        whole = saved(image.resize((60, 40)).quantize(colours), "GIF")
    (frame,) = gif_frames(whole)
    data = b"".join(whole[start + 1 : start + 1 + whole[start]] for start in sub_blocks(whole, frame))
    for length in range(len(data) - 3):  # the last three bytes may be the end code and what is left of its byte
        cut = b"".join(bytes([len(part)]) + part for part in pieces(data[:length]))
        with pytest.raises(InvalidImage):
            inspect(whole[: frame.content] + cut + b"\0;", limits())


def sub_blocks(data: bytes, block: GifBlock) -> Iterator[int]:
    position = block.content
    while data[position]:
        yield position
        position += 1 + data[position]


def pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 255):
        yield data[start : start + 255]


def test_what_stands_behind_the_pixels_of_a_gif_frame_is_no_damage() -> None:
    data = picture("GIF")
    end = gif_frames(data)[0].end - 1
    assert inspect(data[:end] + b"\3abc" + data[end:], limits()).width == 64


def test_gif_frames_larger_than_their_screen_count_by_what_they_code() -> None:
    data = bytearray(picture("GIF", (64, 48)))
    descriptor = data.index(b"\x2c\0\0\0\0")
    data[descriptor + 5 : descriptor + 9] = struct.pack("<HH", 60_000, 60_000)
    with pytest.raises(InvalidImage, match="the limit is"):
        inspect(bytes(data), limits())


@pytest.mark.parametrize("transparency", [{}, {"transparency": 0}])
def test_a_gif_frame_that_does_not_fill_its_screen_is_seen_where_it_is(transparency: dict[str, int]) -> None:
    data = bytearray(saved(Pillow.new("P", (20, 20), 1), "GIF", **transparency))
    data[6:10] = struct.pack("<HH", 40, 20)
    descriptor = data.index(b"\x2c\0\0\0\0")
    data[descriptor + 1 : descriptor + 3] = struct.pack("<H", 20)
    half = Pillow.new("RGBA", (40, 20))
    half.paste(Pillow.open(io.BytesIO(data)).convert("RGBA").crop((20, 0, 40, 20)), (20, 0))
    assert inspect(bytes(data), limits()).placeholder == inspect(saved(half, "PNG"), limits()).placeholder


def test_what_a_gif_does_not_draw_is_not_of_its_colour() -> None:
    stripes = Pillow.new("RGBA", (64, 64))
    for x in range(0, 64, 2):
        stripes.paste((255, 0, 0, 255), (x, 0, x + 1, 64))
    assert inspect(saved(stripes, "GIF"), limits()).dominant_color == "#ff0000"


@pytest.mark.parametrize("side", [512, 1024, 2048])
def test_a_large_dithered_gif_has_the_colour_that_is_seen(side: int) -> None:
    tile = Pillow.new("P", (2, 2))
    tile.putpalette(bytes((255, 255, 255, 0, 0, 0)))
    tile.putdata([0, 1, 1, 0])
    pattern = Pillow.new("P", (side, side))
    pattern.putpalette(tile.getpalette() or ())
    for x in range(0, side, 2):
        pattern.paste(tile, (x, 0))
    for y in range(0, side, 2):
        pattern.paste(pattern.crop((0, 0, side, 2)), (0, y))
    color = inspect(saved(pattern, "GIF"), limits(max_pixels=side * side)).dominant_color
    assert color is not None
    assert abs(int(color[1:3], 16) - 127) <= 24


@pytest.mark.parametrize("frame", [(0, 0), (0, 1), (1, 0)])
def test_a_gif_frame_without_pixels_is_refused(frame: tuple[int, int]) -> None:
    data = bytearray(picture("GIF", (64, 48)))
    descriptor = data.index(b"\x2c\0\0\0\0")
    data[descriptor + 5 : descriptor + 9] = struct.pack("<HH", *frame)
    with pytest.raises(InvalidImage):
        inspect(bytes(data), limits())


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (b"\xff\xd8\xff", b"\xff"),
        (b"\xff\xd8", b"\xff\xe0\0\2"),
        (b"\xff\xd8", b"\xff\xda\0\x08\1\0\0\0\0\1"),
        (b"\x89PNG\r\n\x1a\n", png_chunk(b"IDAT", b"")),
        (b"GIF89a" + bytes(7), b"\x21\xfe\1x\0"),
    ],
)
def test_files_of_many_tiny_parts_are_refused_quickly(start: bytes, part: bytes) -> None:
    before = time.process_time()
    with pytest.raises(InvalidImage):
        inspect(start + part * (10_000_000 // len(part)), limits())
    assert time.process_time() - before < 3


@settings(max_examples=200)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_damaged_files_are_accepted_or_refused_and_never_worse(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(picture(kind, (16, 16), frames=2 if kind in {"GIF", "WEBP"} else 1))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        inspect(bytes(damaged), limits())
    except ServiceError as error:
        assert isinstance(error, InvalidImage | UnsupportedImageType)  # noqa: PT017 - both outcomes are right


def animated_png(frames: int = 3, size: tuple[int, int] = (20, 10), **options: Any) -> bytes:
    pictures = [Pillow.new("RGB", size, (40 * number, 20, 90)) for number in range(frames)]
    for number, it in enumerate(pictures):
        it.putpixel((number, 0), (255, 255, 255))
    out = io.BytesIO()
    pictures[0].save(out, "PNG", save_all=True, append_images=pictures[1:], **options)
    return out.getvalue()


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks, position = [], 8
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        chunks.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    return chunks


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, content) for kind, content in chunks)


@pytest.mark.parametrize("options", [{}, {"default_image": True}, {"disposal": 1}])
def test_an_animated_png_has_its_frames(options: dict[str, Any]) -> None:
    facts = inspect(animated_png(**options), limits())
    assert (facts.width, facts.height) == (20, 10)
    assert facts.frames == (2 if "default_image" in options else 3)


def test_the_frames_of_an_animated_png_count_together() -> None:
    data = animated_png(frames=6, size=(500, 400))
    inspect(data, limits(max_pixels=1_200_000))
    with pytest.raises(InvalidImage, match="1200000 pixels in 6 frame"):
        inspect(data, limits(max_pixels=1_199_999))
    with pytest.raises(InvalidImage, match="frames"):
        inspect(data, limits(max_frames=5))


def test_a_damaged_frame_of_an_animated_png_is_refused() -> None:
    chunks = chunks_of(animated_png())
    last = max(number for number, (kind, _) in enumerate(chunks) if kind == b"fdAT")
    kind, content = chunks[last]
    damaged = {
        "without the last frame's data": chunks[:last] + chunks[last + 1 :],
        "cut": [*chunks[:last], (kind, content[:-6]), *chunks[last + 1 :]],
        "other bytes": [*chunks[:last], (kind, content[:8] + bytes(12) + content[20:]), *chunks[last + 1 :]],
        "larger than its screen": [
            (it, struct.pack(">IIIIIHHBB", 1, 4000, 4000, 0, 0, 1, 10, 0, 0) if it == b"fcTL" else old)
            for it, old in chunks
        ],
        "another number of frames": [(it, b"\0\0\0\x09" + old[4:] if it == b"acTL" else old) for it, old in chunks],
    }
    for name, changed in damaged.items():
        with pytest.raises(InvalidImage):
            assert inspect(png_of(changed), limits()) is None, name
    assert inspect(png_of(chunks), limits()).frames == 3
    whole = animated_png()
    spoilt = bytearray(whole)
    spoilt[whole.rindex(b"fdAT") + 12] ^= 1
    with pytest.raises(InvalidImage):
        inspect(bytes(spoilt), limits())
