"""Landscapes, drawn on the spot: what the gallery is tried and shown with. Photographs would need licences."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

Field = NDArray[np.float64]
Colour = str

_EXIF_TAKEN, _EXIF_IFD = 0x9003, 0x8769


@dataclass(frozen=True, slots=True)
class Scene:
    """A landscape: the sky's colours from the top down, what is before it, and how high the sun or moon stands."""

    filename: str
    title: str
    tags: tuple[str, ...]
    location: str
    sky: tuple[Colour, ...]
    ground: tuple[Colour, ...]
    size: tuple[int, int] = (1500, 1000)
    light: tuple[float, float] | None = (0.68, 0.42)
    light_colour: Colour = "#fff1d0"
    kind: str = "mountains"
    roughness: float = 1.0
    description: str | None = None


def drawn(scene: Scene, *, seed: int) -> bytes:
    """The scene as a JPEG that says when it was taken."""
    width, height = scene.size
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = columns / width, rows / height
    picture = _gradient(scene.sky, y / 0.78)
    if scene.light is not None:
        picture = _with_light(picture, x * width / height, y, scene)
    if scene.kind == "night":
        picture = _with_stars(picture, x, y, chance)
    if scene.kind == "aurora":
        picture = _with_aurora(_with_stars(picture, x, y, chance), x, y, chance)
    if scene.kind == "sea":
        picture = _with_sea(picture, x, y, scene, chance)
    else:
        picture = _with_ridges(picture, x, y, scene, chance)
    picture += chance.normal(0, 1.6, (height, width, 1))  # grain, without which gradients show steps
    image = Pillow.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    exif = Pillow.Exif()
    exif.get_ifd(_EXIF_IFD)[_EXIF_TAKEN] = f"2026:{1 + seed % 9:02}:{1 + seed * 7 % 28:02} {7 + seed % 12:02}:30:00"
    target = io.BytesIO()
    image.save(target, "JPEG", quality=86, exif=exif)
    return target.getvalue()


def _rgb(colour: Colour) -> Field:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], dtype=np.float64)


def _gradient(colours: Sequence[Colour], at: Field) -> Field:
    stops = np.linspace(0, 1, len(colours))
    bands = [np.interp(at, stops, [_rgb(colour)[band] for colour in colours]) for band in range(3)]
    return np.stack(bands, axis=-1)


def _mixed(under: Field, over: Field, share: Field) -> Field:
    return under + (over - under) * share[..., None]


def _with_light(picture: Field, x: Field, y: Field, scene: Scene) -> Field:
    assert scene.light is not None
    aspect = scene.size[0] / scene.size[1]
    distance = np.hypot(x - scene.light[0] * aspect, y - scene.light[1])
    glow = np.exp(-distance * 4.2) * 0.75 + np.exp(-((distance / 0.16) ** 2)) * 0.35
    disc = np.clip((0.052 - distance) * scene.size[1] / 3, 0, 1)
    return _mixed(picture, _rgb(scene.light_colour), np.clip(glow + disc, 0, 1))


def _with_stars(picture: Field, x: Field, y: Field, chance: np.random.Generator) -> Field:
    height, width = y.shape
    band = np.exp(-(((y - 0.62 + 0.5 * x) / 0.17) ** 2)) * (0.75 + 0.25 * np.sin(x * 19) * np.sin(y * 23 + x * 7))
    picture = _mixed(picture, _rgb("#8f86d8"), np.clip(band * 0.5 * (1 - y), 0, 1))
    stars = np.zeros((height, width))
    count = width * height // 1500
    tops, lefts = chance.integers(1, height - 1, count), chance.integers(1, width - 1, count)
    strength = chance.random(count) ** 2 * np.clip(1.2 - tops / height * 1.4, 0, 1)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            np.maximum.at(stars, (tops + down, lefts + across), strength * (1, 0.7, 0.45)[abs(down) + abs(across)])
    return picture + stars[..., None] * 250


def _with_aurora(picture: Field, x: Field, y: Field, chance: np.random.Generator) -> Field:
    for band in range(3):
        path = (
            0.30 + 0.07 * band + sum(0.075 / k * np.sin(2 * np.pi * (k * x * 0.9 + chance.random())) for k in (1, 2, 3))
        )
        rays = 0.6 + 0.4 * np.sin(2 * np.pi * (x * (23 + 9 * band) + np.sin(x * 31)))
        above = np.clip(path - y, 0, 1)
        curtain = np.exp(-above * 7.5) * (y < path) * rays + np.exp(-((y - path) ** 2) / 0.0006) * 0.5
        colour = _gradient(("#4dffb0", "#2fd4b8", "#8a5cf0"), above * 3.2)
        picture = _mixed(picture, colour, np.clip(curtain * (0.72 - 0.16 * band), 0, 1))
    return picture


def _with_sea(picture: Field, x: Field, y: Field, scene: Scene, chance: np.random.Generator) -> Field:
    horizon = 0.6
    depth = np.clip((y - horizon) / (1 - horizon), 0, 1)
    water = _gradient(scene.ground, depth)
    waves = np.zeros_like(x)
    for fine in (3, 5, 9, 14):
        waves += np.sin(2 * np.pi * (x * fine * (1.3 - depth) + 26 * np.sqrt(depth) * fine / 6 + chance.random()))
    water = water + (waves * (3 + 9 * depth))[..., None]
    if scene.light is not None:
        path = np.exp(-(((x - scene.light[0]) / (0.035 + 0.16 * depth)) ** 2))
        glitter = np.clip(path * (0.55 + 0.3 * waves), 0, 1) * (1 - 0.45 * depth)
        water = _mixed(water, _rgb(scene.light_colour), glitter)
    return np.where((y > horizon)[..., None], water, picture)


def _ridge(x: Field, chance: np.random.Generator, roughness: float) -> Field:
    """Heights along a line: waves, each half as high and twice as fine, folded so that there are peaks."""
    line = np.zeros_like(x[0])
    for octave in range(8):
        wave = np.sin(2 * np.pi * (x[0] * 1.1 * 2**octave + chance.random() * 9))
        line += (1 - np.abs(wave) ** 0.9 if octave < 4 else wave) * 0.52**octave * (roughness if octave > 2 else 1)
    return np.asarray(line / 2)


def _with_ridges(picture: Field, x: Field, y: Field, scene: Scene, chance: np.random.Generator) -> Field:
    layers = len(scene.ground)
    for layer, colour in enumerate(scene.ground):
        near = layer / max(1, layers - 1)
        top = 0.50 + 0.34 * near - 0.17 * (1 - 0.45 * near) * _ridge(x, chance, scene.roughness * (0.5 + 0.5 * near))
        inside = np.clip((y - top[None, :]) * scene.size[1] / 1.6, 0, 1)
        below = np.clip((y - top[None, :]) / 0.26, 0, 1)
        fog = _rgb(scene.sky[-1])
        body = _mixed(np.broadcast_to(_rgb(colour), picture.shape), fog, below * 0.42 * (1 - near))
        body = body * (1 - 0.22 * below * near)[..., None]
        picture = _mixed(picture, body, inside)
    return picture


SCENES = (
    Scene(
        "ridge-at-dawn.jpg",
        "Ridge at dawn",
        ("mountains", "dawn"),
        "Dolomites, Italy",
        ("#2f4a7d", "#7d8fc0", "#f0b9a4", "#fbe0c0"),
        ("#a9a3c2", "#7c80ac", "#525c8a", "#2e3960", "#161e38"),
        description="The first light, an hour above the hut. Cold fingers, warm tea.",
    ),
    Scene(
        "evening-tide.jpg",
        "Evening tide",
        ("sea", "sunset"),
        "Nazaré, Portugal",
        ("#33306b", "#8f4a7e", "#f0785a", "#ffc067"),
        ("#b96a5e", "#6d4668", "#2b2a54"),
        (1500, 1000),
        (0.62, 0.5),
        "#fff0c4",
        "sea",
    ),
    Scene(
        "larches.jpg",
        "Larches in the fog",
        ("forest", "fog"),
        "Engadin, Switzerland",
        ("#a8bcc0", "#c3d0d0", "#dfe6e2"),
        ("#b4c4c2", "#8ea6a2", "#64827c", "#3c5a54", "#1d352f"),
        (1000, 1400),
        None,
        roughness=2.6,
    ),
    Scene(
        "aurora.jpg",
        "Aurora over the fjord",
        ("night", "aurora"),
        "Senja, Norway",
        ("#030818", "#07142f", "#0d2746", "#1a4558"),
        ("#0c2233", "#071522", "#030a12"),
        (1600, 1000),
        None,
        kind="aurora",
    ),
    Scene(
        "dunes.jpg",
        "Dunes",
        ("desert", "travel"),
        "Erg Chebbi, Morocco",
        ("#5b8fc0", "#9cc0d8", "#f2dcb8"),
        ("#e8b27a", "#d08a4e", "#a9602f", "#6e3a1e"),
        (1500, 1000),
        (0.2, 0.25),
        "#fff6dc",
        roughness=0.1,
    ),
    Scene(
        "blue-hour.jpg",
        "Blue hour",
        ("mountains", "night"),
        "Lofoten, Norway",
        ("#081634", "#173a6b", "#4a78a8", "#a9bfd0"),
        ("#5f83a8", "#3a5f88", "#1f3f66", "#0d2342"),
        (1200, 1200),
        (0.75, 0.2),
        "#f4f6ff",
    ),
    Scene(
        "harbour-morning.jpg",
        "Harbour morning",
        ("sea", "dawn"),
        "Piran, Slovenia",
        ("#7fb2d6", "#b9d6e4", "#fbe8d2"),
        ("#b4ccd2", "#6ca2b8", "#24607e"),
        (1800, 1000),
        (0.3, 0.36),
        "#fffaf0",
        "sea",
    ),
    Scene(
        "red-canyon.jpg",
        "Red canyon",
        ("desert", "travel"),
        "Utah, United States",
        ("#3c78b8", "#8ab8dc", "#f6d8b4"),
        ("#e0946a", "#c4653e", "#973f28", "#5b2318"),
        (1000, 1333),
        (0.8, 0.16),
        "#fffbe8",
        roughness=2.2,
    ),
    Scene(
        "milky-way.jpg",
        "Under the stars",
        ("night", "camping"),
        "La Palma, Spain",
        ("#050716", "#0c1233", "#252457", "#6a4a70"),
        ("#1d1b3c", "#100f26", "#070712"),
        (1500, 1000),
        None,
        kind="night",
    ),
    Scene(
        "spring-hills.jpg",
        "Spring hills",
        ("hills", "spring"),
        "Val di Chiana, Italy",
        ("#6aa9dc", "#a8d0ea", "#eef4e4"),
        ("#b4cfa0", "#8ab878", "#5f9a56", "#386f3c"),
        (1600, 1000),
        (0.35, 0.2),
        "#ffffff",
        roughness=0.15,
    ),
    Scene(
        "last-light.jpg",
        "Last light",
        ("mountains", "sunset"),
        "Patagonia, Chile",
        ("#31204f", "#7c3862", "#e2604f", "#ffb35c"),
        ("#94485e", "#64304f", "#3c1c3c", "#190b20"),
        (1000, 1250),
        (0.4, 0.47),
        "#ffe6b0",
        roughness=1.6,
    ),
    Scene(
        "winter-sea.jpg",
        "Winter sea",
        ("sea", "winter"),
        "Rügen, Germany",
        ("#8c9cac", "#b4bfc8", "#dadfe0"),
        ("#a9b6bc", "#70838e", "#3b4d5a"),
        (1500, 1000),
        (0.5, 0.3),
        "#f8fafa",
        "sea",
    ),
    Scene(
        "rose-peaks.jpg",
        "Rose peaks",
        ("mountains", "winter"),
        "Tatra, Slovakia",
        ("#5f7fc0", "#a9b4e0", "#f6c8d4", "#fde6e0"),
        ("#e4c4d8", "#b49ac4", "#7c74a8", "#464a80"),
        (1600, 900),
        (0.2, 0.3),
        "#fff4f0",
        roughness=1.8,
    ),
    Scene(
        "lagoon.jpg",
        "Lagoon at noon",
        ("sea", "travel"),
        "Moorea, French Polynesia",
        ("#2f86d0", "#6cb8e8", "#d4eef6"),
        ("#8ce0dc", "#2fb8c4", "#0f6f9c"),
        (1500, 1000),
        None,
        kind="sea",
    ),
    Scene(
        "green-valley.jpg",
        "Green valley",
        ("hills", "forest"),
        "Azores, Portugal",
        ("#86b0c8", "#bcd4da", "#eaf0e6"),
        ("#a8c8b4", "#74a88a", "#42805e", "#1e5038", "#0c2a1e"),
        (1000, 1400),
        (0.6, 0.15),
        "#ffffff",
        roughness=1.2,
    ),
    Scene(
        "moonrise.jpg",
        "Moonrise",
        ("night", "sea"),
        "Skye, Scotland",
        ("#060b1e", "#12264c", "#3a5a86", "#8298b4"),
        ("#5f7a9c", "#25406a", "#081630"),
        (1500, 1000),
        (0.45, 0.3),
        "#fdf8e8",
        "sea",
    ),
)
"""In the order in which they are uploaded."""
