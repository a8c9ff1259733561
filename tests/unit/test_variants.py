"""What variants look like, seen through another library than the one that makes them."""

import io
import struct
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import pyvips
from PIL import Image as Pillow
from PIL import ImageCms

from app import imaging, variants
from app.admission import MemoryBudget
from app.errors import InvalidImage, Overloaded, ServiceError
from app.formats.gif import gif_blocks
from app.settings import Settings
from app.variant_specs import Crop, Fit, VariantFormat, VariantSpec
from app.variants import render
from tests.real_images import real_images
from tests.samples import FORMATS, photo, picture, saved, with_orientation

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 60), (20, 40, 190)


def made(data: bytes, *, format: VariantFormat = VariantFormat.PNG, quality: int = 80, **spec: Any) -> Pillow.Image:
    """The variant, opened, with its pixels loaded."""
    return opened(rendered(data, format=format, quality=quality, **spec))


def rendered(data: bytes, *, format: VariantFormat = VariantFormat.PNG, quality: int = 80, **spec: Any) -> bytes:
    facts = imaging.inspect(data, Settings().image_limits)
    wanted = VariantSpec(quality=quality, **spec).rendition(facts.width, facts.height, format)
    return render(data, [wanted])[0]


def opened(data: bytes) -> Pillow.Image:
    image = Pillow.open(io.BytesIO(data))
    image.load()
    return image


def quarters(mode: str = "RGB", size: tuple[int, int] = (120, 80)) -> Pillow.Image:
    """Upper left red, upper right green, below blue."""
    image = Pillow.new("RGB", size, BLUE)
    image.paste(RED, (0, 0, size[0] // 2, size[1] // 2))
    image.paste(GREEN, (size[0] // 2, 0, size[0], size[1] // 2))
    return image.convert(mode)


def pixel(picture: Pillow.Image, x: int, y: int) -> Any:
    """A number of a picture with one band, a tuple of another: Pillow's types know only that it is one of them."""
    return picture.getpixel((x, y))


def assert_close(found: Any, expected: tuple[int, ...], delta: int) -> None:
    assert all(abs(one - other) <= delta for one, other in zip(found, expected, strict=True)), (found, expected)


def assert_shows_quarters(image: Pillow.Image, *, delta: int = 12) -> None:
    seen = image.convert("RGB")
    for place, colour in {(0.2, 0.2): RED, (0.8, 0.2): GREEN, (0.2, 0.8): BLUE, (0.8, 0.8): BLUE}.items():
        assert_close(seen.getpixel((int(place[0] * seen.width), int(place[1] * seen.height))), colour, delta)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("format", VariantFormat)
def test_every_format_from_every_format_in_the_exact_size(kind: str, format: VariantFormat) -> None:
    data = saved(quarters(size=(240, 160)), kind, **({"quality": 95} if kind in {"JPEG", "WEBP"} else {}))
    variant = made(data, format=format, width=60)
    assert (variant.format, variant.size) == (str(format).upper(), (60, 40))
    assert_shows_quarters(variant)


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_enlarged(kind: str) -> None:
    assert made(picture(kind, (64, 48)), width=512, height=512).size == (64, 48)
    assert made(picture(kind, (64, 48)), width=512, height=512, fit=Fit.COVER).size == (48, 48)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fit", Fit)
def test_a_picture_comes_out_upright(orientation: int, fit: Fit, kind: str) -> None:
    as_stored = quarters(size=(240, 160))
    if orientation > 1:
        turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # what a viewer undoes
        as_stored = as_stored.transpose(Pillow.Transpose(turn))
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    variant = made(saved(as_stored, kind, quality=95, exif=exif), width=120, height=80, fit=fit)
    assert variant.size == (120, 80)
    assert_shows_quarters(variant)


def test_cover_fills_the_box_and_keeps_the_middle() -> None:
    variant = made(saved(quarters(size=(300, 100)), "PNG"), width=50, height=50, fit=Fit.COVER)
    assert variant.size == (50, 50)
    assert_shows_quarters(variant)


def test_attention_keeps_what_draws_the_eye() -> None:
    scene = Pillow.new("RGB", (400, 100), (90, 90, 90))
    scene.paste(opened(photo()).resize((80, 80)), (310, 10))
    options: dict[str, Any] = {"width": 100, "height": 100, "fit": Fit.COVER}
    centre = made(saved(scene, "PNG"), **options)
    eye = made(saved(scene, "PNG"), crop=Crop.ATTENTION, **options)
    assert centre.convert("L").getextrema() == (90, 90)
    extrema: Any = eye.convert("L").getextrema()  # typed for pictures of several bands too
    assert extrema[1] - extrema[0] > 50


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("format", [VariantFormat.PNG, VariantFormat.WEBP, VariantFormat.AVIF])
def test_transparency_is_kept(kind: str, format: VariantFormat) -> None:
    image = Pillow.new("RGBA", (200, 100), (*RED, 255))
    image.paste((0, 0, 0, 0), (0, 0, 100, 100))
    variant = made(saved(image, kind), format=format, width=50).convert("RGBA")
    assert pixel(variant, 10, 10)[3] <= 3
    assert_close(variant.getpixel((40, 10)), (*RED, 255), 10)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_what_cannot_be_seen_does_not_colour_what_is_beside_it(kind: str) -> None:
    image = Pillow.new("RGBA", (128, 128))
    for x in range(0, 128, 2):
        image.paste((*RED, 255), (x, 0, x + 1, 128))
    data = saved(image, kind, lossless=True)
    assert_close(made(data, width=16).convert("RGBA").getpixel((8, 8)), (*RED, 128), 5)


def test_what_the_first_frame_of_a_gif_leaves_of_its_screen_is_transparent() -> None:
    data = gif_frame_at(saved(Pillow.new("RGB", (40, 40), RED), "GIF"), 0, 0, screen=(80, 40))
    assert imaging.inspect(data, Settings().image_limits).has_alpha
    variant = made(data, width=20).convert("RGBA")
    assert variant.size == (20, 10)
    assert_close(variant.getpixel((3, 5)), (*RED, 255), 5)
    assert pixel(variant, 16, 5)[3] == 0


@pytest.mark.parametrize("side", [1000, 3000])
def test_a_gif_frame_in_the_last_corner_of_its_screen_is_no_damage(side: int) -> None:
    data = gif_frame_at(saved(Pillow.new("RGB", (1, 1), RED), "GIF"), side - 1, side - 1, screen=(side, side))
    for width in (1, 2, 5, 16, 32, 100):
        assert made(data, width=width).size == (width, width)


def gif_frame_at(data: bytes, left: int, top: int, *, screen: tuple[int, int]) -> bytes:
    """The GIF with its first frame at this place of a larger screen."""
    moved = bytearray(data)
    moved[6:10] = struct.pack("<HH", *screen)
    begin = next(block.begin for block in gif_blocks(data) if block.introducer == 0x2C)
    moved[begin + 1 : begin + 5] = struct.pack("<HH", left, top)
    return bytes(moved)


def test_a_gif_without_a_palette_is_black() -> None:
    whole = saved(Pillow.new("P", (20, 20), 1), "GIF")
    bare = bytearray(whole[:13] + whole[13 + (3 << (whole[10] & 7) + 1) :])
    bare[10] &= 0x7F
    assert made(bytes(bare), width=10).convert("RGB").getextrema() == ((0, 0),) * 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_a_jpeg_is_on_white(mode: str) -> None:
    image = Pillow.new("RGBA", (200, 100), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 100, 100))
    variant = made(saved(image.convert(mode), "PNG"), format=VariantFormat.JPEG, width=50).convert("L")
    assert pixel(variant, 10, 10) >= 250
    assert pixel(variant, 40, 10) <= 5


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("crop", Crop)
def test_an_animation_stays_one_in_webp(kind: str, fit: Fit, crop: Crop) -> None:
    frames = [Pillow.new("RGB", (120, 80), colour) for colour in (RED, GREEN, BLUE)]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=[50, 100, 150], loop=0)
    variant = made(data, format=VariantFormat.WEBP, width=40, height=40, fit=fit, crop=crop)
    assert variant.size == ((40, 40) if fit is Fit.COVER else (40, 27))
    assert getattr(variant, "n_frames", 1) == 3
    for number, colour in enumerate((RED, GREEN, BLUE)):
        variant.seek(number)
        assert_close(variant.convert("RGB").getpixel((20, 13)), colour, 12)
        assert variant.info["duration"] == 50 * (number + 1)
    assert variant.info["loop"] == 0


@pytest.mark.parametrize("format", [VariantFormat.PNG, VariantFormat.JPEG, VariantFormat.AVIF])
def test_elsewhere_an_animation_shows_its_first_frame(format: VariantFormat) -> None:
    frames = [Pillow.new("RGB", (120, 80), colour) for colour in (RED, GREEN)]
    variant = made(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), format=format, width=30)
    assert (getattr(variant, "n_frames", 1), variant.size) == (1, (30, 20))
    assert_close(variant.convert("RGB").getpixel((15, 10)), RED, 10)


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("orientation", [2, 3, 6])
def test_an_animation_that_is_to_be_turned_shows_its_first_frame_upright(orientation: int, fit: Fit) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    first, other = quarters(), Pillow.new("RGB", (120, 80), GREEN)
    data = saved(first, "WEBP", save_all=True, append_images=[other], exif=exif.tobytes(), lossless=True)
    still = saved(first, "WEBP", exif=exif.tobytes(), lossless=True)
    wanted: dict[str, Any] = {"format": VariantFormat.WEBP, "width": 40, "height": 40, "fit": fit}
    variant, expected = made(data, **wanted), made(still, **wanted)
    assert (getattr(variant, "n_frames", 1), variant.size) == (1, expected.size)
    for place in ((5, 5), (20, 5), (5, 20)):
        assert_close(variant.convert("RGB").getpixel(place), pixel(expected.convert("RGB"), *place), 12)


def test_an_animation_whose_frames_leave_most_of_a_common_screen_shows_its_first_frame_where_it_is() -> None:
    data = gif_frame_at(picture("GIF", (40, 40), frames=3), 0, 0, screen=(640, 480))
    variant = made(data, format=VariantFormat.WEBP, width=320)
    assert getattr(variant, "n_frames", 1) == 1
    drawn = variant.convert("RGBA").getchannel("A").point(lambda alpha: 255 * (alpha > 127))
    assert drawn.getbbox() == (0, 0, 20, 20)


def test_a_long_animation_shows_its_first_frame() -> None:
    long = picture("GIF", (40, 30), frames=variants.MAX_ANIMATION_FRAMES + 1)
    assert getattr(made(long, format=VariantFormat.WEBP, width=20), "n_frames", 1) == 1


def swapped_profile() -> bytes:
    """The profile of a space in which what is called red is blue: nobody can miss whether it was used."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags = {srgb[start : start + 4]: start for start in range(132, 132 + 12 * int.from_bytes(srgb[128:132], "big"), 12)}
    red, blue = (srgb[tags[name] + 4 : tags[name] + 12] for name in (b"rXYZ", b"bXYZ"))
    swapped = bytearray(srgb)
    swapped[tags[b"rXYZ"] + 4 : tags[b"rXYZ"] + 12] = blue
    swapped[tags[b"bXYZ"] + 4 : tags[b"bXYZ"] + 12] = red
    return bytes(swapped)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("format", VariantFormat)
def test_colours_go_through_the_profile_in_the_file(kind: str, format: VariantFormat) -> None:
    options = {} if kind == "PNG" else {"quality": 95}
    data = saved(Pillow.new("RGB", (120, 80), RED), kind, icc_profile=swapped_profile(), **options)
    variant = made(data, format=format, width=60)
    assert_close(variant.convert("RGB").getpixel((20, 20)), RED[::-1], 10)
    assert "icc_profile" not in variant.info


def linear_profile() -> bytes:
    """sRGB, but for numbers in proportion to light (ICC.1:2022, section 10.18: curves of type 0 are a power)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    curve = profile.index(b"para")
    profile[curve + 8 : curve + 10] = b"\0\0"
    profile[curve + 12 : curve + 16] = b"\0\1\0\0"
    return bytes(profile)


def named(profile: bytes, name: str) -> bytes:
    text = "No copyright, use freely"
    old, new = (words.ljust(len(text), "\0").encode("utf-16-be") for words in (text, name))
    assert old in profile
    return profile.replace(old, new)


def test_only_what_is_called_srgb_and_nothing_else_is_taken_for_srgb() -> None:
    grey = Pillow.new("RGB", (40, 40), (55, 55, 55))
    levels = {}
    for name in ("Something", "sRGB IEC61966-2.1", "sRGB IEC61966-2.1 linear", "linear sRGB IEC61966-2.1"):
        data = saved(grey, "PNG", icc_profile=named(linear_profile(), name))
        levels[name] = made(data, format=VariantFormat.PNG, width=40).convert("RGB").getpixel((20, 20))
    assert levels["Something"] == levels["sRGB IEC61966-2.1 linear"] == levels["linear sRGB IEC61966-2.1"]
    assert levels["sRGB IEC61966-2.1"] == (55, 55, 55) != levels["Something"]


def png_of_16_bits(pixels: pyvips.Image, profile: bytes) -> bytes:
    pixels = pixels.copy(interpretation="rgb16")
    pixels.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return bytes(pixels.pngsave_buffer(bitdepth=16))


def test_dark_colours_of_16_bits_in_a_linear_profile_stay_apart() -> None:
    # The darkest tenth, which is 89 steps in sRGB.
    ramp = pyvips.Image.identity(ushort=True, size=6554).replicate(
        1, 40
    )  # the darkest tenth, which is 89 steps in sRGB
    variant = made(png_of_16_bits(ramp.bandjoin([ramp, ramp]), linear_profile()), format=VariantFormat.PNG, width=2048)
    assert len(variant.convert("L").getcolors() or ()) > 80


def test_transparent_pictures_of_16_bits_go_through_their_profile_too() -> None:
    red = (pyvips.Image.black(80, 60, bands=4) + [level * 257 for level in (*RED, 255)]).cast("ushort")
    variant = made(png_of_16_bits(red, swapped_profile()), format=VariantFormat.JPEG, width=40)
    assert_close(variant.convert("RGB").getpixel((20, 15)), RED[::-1], 10)


@pytest.mark.parametrize(("kind", "frames"), [("JPEG", 1), ("PNG", 1), ("WEBP", 1), ("WEBP", 2)])
def test_a_profile_that_is_damaged_is_passed_over(kind: str, frames: int) -> None:
    damaged = bytearray(swapped_profile())
    curve = damaged.index(b"para")
    damaged[curve : curve + 4] = b"\xff\xff\xff\xff"
    options: dict[str, Any] = {"save_all": True, "append_images": [Pillow.new("RGB", (120, 80), RED)] * (frames - 1)}
    data = saved(Pillow.new("RGB", (120, 80), RED), kind, icc_profile=bytes(damaged), **(options if frames > 1 else {}))
    variant = made(data, format=VariantFormat.WEBP, width=60)
    assert_close(variant.convert("RGB").getpixel((20, 20)), RED, 10)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of what is odd in some of them
def test_real_pictures_with_a_profile_look_as_littlecms_shows_them() -> None:
    compared = 0
    for path in real_images():
        try:
            found = made(path.read_bytes(), width=64).convert("RGB")
            expected = shown_by_littlecms(path)
        except (ServiceError, ImageCms.PyCMSError, OSError, SyntaxError, ValueError):
            continue  # refused by us or by Pillow
        if expected is not None:
            compared += 1
            small = expected.resize(found.size, Pillow.Resampling.LANCZOS)
            differences = [abs(one - other) for one, other in zip(found.tobytes(), small.tobytes(), strict=True)]
            assert sum(differences) / len(differences) < 4, path.name
    assert compared > 5


def shown_by_littlecms(path: Path) -> Pillow.Image | None:
    with Pillow.open(path) as original:
        profile = original.info.get("icc_profile")
        if not profile or original.mode not in {"RGB", "CMYK"} or getattr(original, "n_frames", 1) > 1:
            return None
        source, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(original, source, srgb, ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB")


def test_cmyk_without_a_profile_is_about_the_colour_meant() -> None:
    ink = Pillow.new("CMYK", (80, 80), (0, 255, 255, 0))  # full magenta and yellow are red
    red, green, blue = pixel(made(saved(ink, "JPEG", quality=95), width=40).convert("RGB"), 20, 20)
    assert red > 200
    assert max(green, blue) < 80


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGBA"])
def test_every_kind_of_png_has_variants(mode: str) -> None:
    data = saved(Pillow.new(mode, (80, 60), 40_000 if mode == "I;16" else 1 if mode == "1" else 200), "PNG")
    for format in VariantFormat:
        variant = made(data, format=format, width=40)
        assert variant.size == (40, 30)
    if mode == "I;16":
        assert_close(made(data, width=40).convert("RGB").getpixel((5, 5)), (155, 155, 155), 2)


SECRET = b"TOP-SECRET-PAYLOAD"


def carriers() -> dict[str, bytes]:
    """Files that carry a payload in each place where one can be hidden."""
    exif = Pillow.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[29] = SECRET.decode()
    hidden: dict[str, Any] = {"exif": exif, "icc_profile": swapped_profile() + SECRET, "xmp": b"<x>" + SECRET + b"</x>"}
    found = {f"metadata of {kind}": picture(kind, **hidden) for kind in ("JPEG", "WEBP")}
    found["comment of JPEG"] = picture("JPEG", comment=SECRET)
    found["comment of GIF"] = picture("GIF", comment=SECRET)
    found["metadata of PNG"] = picture("PNG", exif=exif, icc_profile=swapped_profile() + SECRET)
    for kind in FORMATS:
        found[f"HTML behind {kind}"] = picture(kind) + b"<html><script>" + SECRET + b"</script>"
        found[f"ZIP behind {kind}"] = picture(kind) + b"PK\x03\x04" + SECRET
    return found


@pytest.mark.parametrize("place", carriers())
@pytest.mark.parametrize("format", VariantFormat)
def test_nothing_but_pixels_gets_into_a_variant(place: str, format: VariantFormat) -> None:
    data = carriers()[place]
    assert SECRET in data
    for width in (32, 512):
        variant = rendered(data, format=format, width=width)
        assert SECRET not in variant
        for trace in (
            b"<script",
            b"PK\x03\x04",
            b"ICC_PROFILE",
            b"iCCP",
            b"ICCP",
            b"<x:xmp",
            b"eXIf",
            b"EXIF",
            b"prof",
        ):
            assert trace not in variant
        image = opened(variant)
        assert not image.getexif()
        assert not {"icc_profile", "exif", "xmp", "comment"} & image.info.keys()


def test_several_sizes_come_from_one_decode_and_look_alike() -> None:
    data = saved(quarters(size=(800, 600)), "JPEG", quality=95)
    wanted = [VariantSpec(width=width).rendition(800, 600, VariantFormat.PNG) for width in (64, 512, 128, 64)]
    found = [opened(variant) for variant in render(data, wanted)]
    assert [image.size for image in found] == [(64, 48), (512, 384), (128, 96), (64, 48)]
    for image in found:
        assert_shows_quarters(image)


def test_a_lower_quality_is_smaller() -> None:
    for format in (VariantFormat.JPEG, VariantFormat.WEBP, VariantFormat.AVIF):
        sizes = [len(rendered(photo(), format=format, quality=quality, width=256)) for quality in (50, 65, 80, 90)]
        assert sizes == sorted(set(sizes))


def test_what_does_not_decode_is_an_invalid_image() -> None:
    wanted = VariantSpec(width=10).rendition(64, 48, VariantFormat.PNG)
    with pytest.raises(InvalidImage):
        render(picture("PNG")[:20], [wanted])


def test_rendering_waits_for_the_memory_that_this_file_and_these_variants_take() -> None:
    """What comes in several passes is held whole, else it is read by rows; an animation has many frames."""
    waited: list[int] = []

    def admission(needed_bytes: int) -> AbstractContextManager[None]:
        waited.append(needed_bytes)
        return nullcontext()

    def needed(data: bytes, width: int, format: VariantFormat) -> int:
        render(data, [VariantSpec(width=width).rendition(1000, 800, format)], admission=admission)
        return waited[-1]

    plain, interlaced = (
        pyvips.Image.black(1000, 800, bands=4).pngsave_buffer(interlace=interlace) for interlace in (False, True)
    )
    assert needed(interlaced, 20, VariantFormat.PNG) - needed(plain, 20, VariantFormat.PNG) >= 1000 * 800 * 4
    assert needed(plain, 500, VariantFormat.AVIF) - needed(plain, 20, VariantFormat.AVIF) > 500 * 400 * 16
    baseline, progressive = (picture("JPEG", (1000, 800), progressive=several) for several in (False, True))
    assert needed(progressive, 20, VariantFormat.PNG) - needed(baseline, 20, VariantFormat.PNG) >= 1000 * 800 * 3
    moving = picture("GIF", (1000, 800), frames=10)
    assert needed(moving, 500, VariantFormat.WEBP) > 10 * 500 * 400 * 16
    assert needed(moving, 20, VariantFormat.WEBP) - needed(moving, 20, VariantFormat.PNG) > 1000 * 800 * 7


def test_nothing_is_decoded_where_no_memory_is_left() -> None:
    wanted = VariantSpec(width=10).rendition(64, 48, VariantFormat.PNG)
    budget = MemoryBudget(1000, wait_seconds=0)
    with budget.admitted(1000), pytest.raises(Overloaded):
        render(picture("PNG"), [wanted], admission=budget.admitted)


@pytest.mark.long
def test_every_real_picture_that_is_accepted_has_variants() -> None:
    count = 0
    for path in real_images():
        data = path.read_bytes()
        try:
            facts = imaging.inspect(data, Settings().image_limits)
        except ServiceError:
            continue
        wanted = [
            VariantSpec(width=64, height=64, fit=fit).rendition(facts.width, facts.height, format)
            for fit, format in ((Fit.COVER, VariantFormat.WEBP), (Fit.CONTAIN, VariantFormat.JPEG))
        ]
        for variant, rendition in zip(render(data, wanted), wanted, strict=True):
            assert opened(variant).size == (rendition.width, rendition.height), path.name
        count += 1
    assert count > 300


@pytest.mark.parametrize("size", [(16_384, 20), (20, 16_384)])
@pytest.mark.parametrize("format", VariantFormat)
def test_the_longest_image_has_variants_of_every_format(size: tuple[int, int], format: VariantFormat) -> None:
    variant = made(saved(Pillow.new("RGB", size, RED), "PNG"), format=format, height=2048 if size[0] > 20 else None)
    assert 16_000 < max(variant.size) < 16_384


def test_an_upright_size_is_what_the_facts_say() -> None:
    assert made(with_orientation(6), width=24).size == (24, 32)
