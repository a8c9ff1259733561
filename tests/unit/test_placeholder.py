import base64
import random

import pytest
from PIL import Image as Pillow

from app.placeholder import dominant_color, thumbhash


def noise(width: int, height: int, *, alpha: bool) -> bytes:
    pixels = bytearray(random.Random(1).randbytes(width * height * 4))
    if not alpha:
        pixels[3::4] = b"\xff" * (width * height)
    return bytes(pixels)


# What the encoder of the PyPI package thumbhash-python 1.0.1, a port of the reference, makes of the same pixels.
@pytest.mark.parametrize(
    ("width", "height", "alpha", "expected"),
    [
        (32, 24, False, "HwgCDYIB62LZKGYroeLb5xZvY/fy"),
        (24, 32, False, "HwgCDQKY9Hh4mVemlmjoR/ZdBLq1"),
        (32, 32, True, "3weCBQIIJv2EOWuYpwk7S/y2luZ4Yx+tWQ=="),
        (32, 1, False, "IPhBIYR4iIeIiAiH9ohnf/g="),
        (5, 30, True, "HziCEQQInc6HlFCZhwAlK1WyIl4w+JQ="),
        (60, 45, False, "HwgCBYCY+RllXJqWmJk2dWkNyPFc"),
    ],
)
def test_thumbhashes_are_those_of_the_reference(width: int, height: int, alpha: bool, expected: str) -> None:
    assert base64.b64encode(thumbhash(width, height, noise(width, height, alpha=alpha))).decode() == expected


def test_a_picture_that_nobody_can_see_has_a_thumbhash() -> None:
    assert len(thumbhash(3, 3, bytes(36))) > 6


def test_the_dominant_colour_is_the_mean_of_the_most_common_one() -> None:
    image = Pillow.new("RGBA", (10, 10), (250, 0, 0, 255))
    image.paste((254, 0, 0, 255), (0, 0, 10, 3))
    image.paste((0, 0, 255, 255), (0, 0, 3, 10))
    assert dominant_color(image.tobytes()) == "#fb0000"


def test_transparent_pixels_have_no_say_unless_there_are_no_others() -> None:
    assert dominant_color(bytes((9, 9, 9, 0)) * 5 + bytes((0, 0, 255, 255))) == "#0000ff"
    assert dominant_color(bytes((9, 9, 9, 0)) * 5) == "#090909"
