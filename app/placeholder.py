"""What stands in for an image until it is loaded: a ThumbHash and a colour. Pure arithmetic.

The ThumbHash is that of Evan Wallace's reference encoder (https://evanw.github.io/thumbhash/), byte
for byte up to the rounding of floating-point sums: some 25 bytes that hold the image's lowest frequencies.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from operator import mul


@dataclass(frozen=True, slots=True)
class _Channel:
    """One channel's average, its other frequencies as numbers from 0 to 1, and what those were divided by."""

    mean: float
    waves: Sequence[float]
    scale: float


def thumbhash(width: int, height: int, rgba: bytes) -> bytes:
    """The ThumbHash of a picture of at most 100 x 100 pixels, given as rows of RGBA, 8 bits each."""
    alphas = _fractions(rgba[3::4])
    has_alpha = sum(alphas) < width * height
    red, green, blue = (_seen(rgba[band::4], alphas) if has_alpha else _fractions(rgba[band::4]) for band in range(3))
    most = 5 if has_alpha else 7
    longer = max(width, height)
    across, down = max(1, _rounded(most * width / longer)), max(1, _rounded(most * height / longer))

    light = _channel(
        width, height, [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)], max(3, across), max(3, down)
    )
    yellow = _channel(width, height, [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)], 3, 3)
    redness = _channel(width, height, [r - g for r, g in zip(red, green, strict=True)], 3, 3)
    alpha = _channel(width, height, alphas, 5, 5) if has_alpha else None

    is_landscape = width > height
    head = (
        _rounded(63 * light.mean)
        | _rounded(31.5 + 31.5 * yellow.mean) << 6
        | _rounded(31.5 + 31.5 * redness.mean) << 12
        | _rounded(31 * light.scale) << 18
        | has_alpha << 23
    )
    shape = (
        (down if is_landscape else across)
        | _rounded(63 * yellow.scale) << 3
        | _rounded(63 * redness.scale) << 9
        | is_landscape << 15
    )
    out = bytearray(head.to_bytes(3, "little") + shape.to_bytes(2, "little"))
    waves = [*light.waves, *yellow.waves, *redness.waves]
    if alpha:
        out.append(_rounded(15 * alpha.mean) | _rounded(15 * alpha.scale) << 4)
        waves += alpha.waves
    halves = [_rounded(15 * wave) for wave in waves] + [0]
    out += bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=False))
    return bytes(out)


def _seen(values: bytes, alphas: Sequence[float]) -> list[float]:
    """A band from 0 to 1, with its average behind what is transparent."""
    opaque = sum(alphas)
    average = sum(map(mul, values, alphas)) / 255 / opaque if opaque else 0.0
    return [average * (1 - alpha) + alpha * value / 255 for value, alpha in zip(values, alphas, strict=True)]


def _fractions(values: bytes) -> list[float]:
    return [value / 255 for value in values]


def _channel(width: int, height: int, values: Sequence[float], across: int, down: int) -> _Channel:
    """The lowest frequencies, a triangle of them: first along the rows, then of what that gave down the columns."""
    rows = [values[start : start + width] for start in range(0, width * height, width)]
    columns = [list(map(sum, rows))]  # the wave of frequency 0 is 1 everywhere
    columns += [[sum(map(mul, row, wave)) for row in rows] for wave in (_wave(width, cx) for cx in range(1, across))]
    found = [
        sum(map(mul, columns[cx], _wave(height, cy))) / (width * height)
        for cy in range(down)
        for cx in range(across)
        if cx * down < across * (down - cy)
    ]
    mean, others = found[0], found[1:]
    scale = max(map(abs, others))
    return _Channel(mean, [0.5 + 0.5 / scale * value if scale else value for value in others], scale)


@cache
def _wave(length: int, frequency: int) -> tuple[float, ...]:
    return tuple(math.cos(math.pi / length * frequency * (at + 0.5)) for at in range(length))


def _rounded(number: float) -> int:
    return math.floor(number + 0.5)  # as JavaScript does; Python rounds halves to even


def dominant_color(rgba: bytes) -> str:
    """`#rrggbb`: the mean of the most common colour, where colours that differ by less than 1/8 are one.

    Pixels that are more transparent than not do not count, unless there are no others.
    """
    pixels = list(zip(*(rgba[band::4] for band in range(4)), strict=True))
    seen = [pixel[:3] for pixel in pixels if pixel[3] > 127] or [pixel[:3] for pixel in pixels]
    alike: defaultdict[tuple[int, int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for red, green, blue in seen:
        alike[red >> 5, green >> 5, blue >> 5].append((red, green, blue))
    most = max(alike.values(), key=len)
    return "#" + "".join(f"{_rounded(sum(band) / len(most)):02x}" for band in zip(*most, strict=True))
