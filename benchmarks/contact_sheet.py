"""A picture of variants for a person to look at: docs/contact-sheet.png.

    .venv/bin/python -m benchmarks.contact_sheet

Each row is one real picture (of those that Pillow's tests use): as its maker's viewer shows it, whole,
in the middle, where the eye goes, and then as each format at its lowest quality.
"""

import io
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw

from app import imaging
from app.settings import Settings
from app.variant_specs import Crop, Fit, VariantFormat, VariantSpec
from app.variants import render
from tests.real_images import real_images

TARGET = Path(__file__).parents[1] / "docs" / "contact-sheet.png"
PICTURES = {
    "flower.jpg": "JPEG",
    "hopper_orientation_6.jpg": "turned by Exif",
    "pil_sample_cmyk.jpg": "CMYK",
    "xmp_test.jpg": "Adobe RGB",
    "hopper_gray.jpg": "gray",
    "transparent.png": "transparent PNG",
    "flower.webp": "WebP",
    "iss634.gif": "animated GIF",
}
COLUMNS = {
    "contain, PNG": VariantSpec(width=128, height=96, format=VariantFormat.PNG),
    "cover, centre": VariantSpec(width=96, height=96, fit=Fit.COVER, format=VariantFormat.PNG),
    "cover, attention": VariantSpec(width=96, height=96, fit=Fit.COVER, crop=Crop.ATTENTION, format=VariantFormat.PNG),
    "JPEG q50": VariantSpec(width=128, height=96, format=VariantFormat.JPEG, quality=50),
    "WebP q50": VariantSpec(width=128, height=96, format=VariantFormat.WEBP, quality=50),
    "AVIF q50": VariantSpec(width=128, height=96, format=VariantFormat.AVIF, quality=50),
}
CELL = (136, 118)
MARGIN = (110, 20)


def main() -> None:
    files = {path.name: path for path in real_images()}
    sheet = Pillow.new("RGB", (MARGIN[0] + CELL[0] * len(COLUMNS), MARGIN[1] + CELL[1] * len(PICTURES)), "#dde3ea")
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(COLUMNS):
        pen.text((MARGIN[0] + column * CELL[0], 4), title, "black")
    for row, (name, what) in enumerate(PICTURES.items()):
        data = files[name].read_bytes()
        facts = imaging.inspect(data, Settings().image_limits)
        top = MARGIN[1] + row * CELL[1]
        pen.text((4, top), f"{what}\n{facts.width} x {facts.height}\n{len(data) / 1000:.0f} kB", "black")
        for column, spec in enumerate(COLUMNS.values()):
            assert spec.format is not None
            (variant,) = render(data, [spec.rendition(facts.width, facts.height, spec.format)])
            with Pillow.open(io.BytesIO(variant)) as shown:
                seen = shown.convert("RGBA")
            left = MARGIN[0] + column * CELL[0]
            sheet.paste(seen, (left, top), seen)
            pen.text((left, top + 97), f"{seen.width} x {seen.height}, {len(variant) / 1000:.1f} kB", "black")
    sheet.quantize(256).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
