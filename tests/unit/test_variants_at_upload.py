"""Variants from the decode that checks an upload: the same as those made at the first look, and never in the way."""

import io
import struct
from base64 import b64decode
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image as Pillow
from pydantic import ValidationError

from app.errors import InvalidImage
from app.imaging import inspect, inspect_and_render
from app.models import Announcement, ContentType, Image, NewImage, UploadMethod
from app.services import Services, build_services
from app.services.aws import AWSClientFactory
from app.settings import Settings
from app.spool import Spool
from app.variant_specs import Crop, Fit, Rendition, VariantFormat, VariantSpec
from app.variants import render
from tests.samples import FORMATS, photo, picture, with_orientation

LIMITS = Settings().image_limits
NAMES = ("256x-contain-q80.webp", "128x128-cover-center-q80.auto")


def opened(data: bytes) -> Pillow.Image:
    image = Pillow.open(io.BytesIO(data))
    image.load()
    return image


def large(kind: str, mode: str = "RGB", size: tuple[int, int] = (601, 401), **options: Any) -> bytes:
    target = io.BytesIO()
    opened(photo()).resize(size, Pillow.Resampling.BICUBIC).convert(mode).save(target, kind, **options)
    return target.getvalue()


def transparent(kind: str) -> bytes:
    image = opened(large("PNG")).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 300, 240))
    target = io.BytesIO()
    image.save(target, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return target.getvalue()


PICTURES = {
    **{kind: large(kind) for kind in FORMATS},
    "JPEG, gray": large("JPEG", "L"),
    "JPEG in CMYK": large("JPEG", "CMYK", quality=95),
    "JPEG, progressive": large("JPEG", progressive=True),
    "JPEG, 4:4:4": large("JPEG", subsampling=0),
    "PNG with a palette": large("PNG", "P"),
    "small": picture("PNG"),
    **{f"{kind}, transparent": transparent(kind) for kind in ("PNG", "WEBP", "GIF")},
    **{f"{kind}, lying": with_orientation(6, (640, 400), kind=kind) for kind in ("JPEG", "PNG", "WEBP")},
}


@pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("format", [VariantFormat.PNG, VariantFormat.WEBP])
def test_they_look_like_those_of_the_first_look(data: bytes, format: VariantFormat) -> None:
    wanted = [
        VariantSpec(width=300, format=format),
        VariantSpec(width=100, height=90, fit=Fit.COVER, crop=Crop.CENTER, format=format),
    ]
    facts, made = inspect_and_render(data, LIMITS, wanted)
    renditions = [it.rendition(facts.width, facts.height, format) for it in wanted]
    assert list(made) == sorted(renditions, key=lambda it: it.width, reverse=True)
    for rendition, lazy in zip(renditions, render(data, renditions), strict=True):
        one, other = (opened(it).convert("RGBA") for it in (made[rendition], lazy))
        assert one.size == other.size == (rendition.width, rendition.height)
        differences = [abs(a - b) for a, b in zip(one.tobytes(), other.tobytes(), strict=True)]
        assert sum(differences) / len(differences) < 1.5
        assert opened(made[rendition]).mode == opened(lazy).mode


@pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES)
def test_the_facts_are_the_same_with_and_without_them(data: bytes) -> None:
    facts, made = inspect_and_render(data, LIMITS, [VariantSpec(width=200)])
    assert made
    alone = inspect(data, LIMITS)
    for name in ("width", "height", "frames", "has_alpha", "orientation", "captured_at"):
        assert getattr(facts, name) == getattr(alone, name)
    assert facts.placeholder
    assert alone.placeholder
    one, other = (b64decode(it)[0] & 63 for it in (facts.placeholder, alone.placeholder))  # a ThumbHash's mean light
    assert abs(one - other) <= 1


@pytest.mark.parametrize("kind", FORMATS)
def test_none_are_made_of_a_file_that_is_cut(kind: str) -> None:
    with pytest.raises(InvalidImage):
        inspect_and_render(large(kind)[:-100], LIMITS, [VariantSpec(width=200)])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_what_moves_is_left_to_the_first_look(kind: str) -> None:
    facts, made = inspect_and_render(picture(kind, frames=3), LIMITS, [VariantSpec(width=20)])
    assert (facts.frames, made) == (3, {})


def test_what_takes_long_to_decode_is_left_to_the_first_look() -> None:
    short = large("WEBP")
    (size,) = struct.unpack("<I", short[16:20])
    coded = size + 11_000_000  # bytes of lossy WebP take about a second, unless they are nothing but zeros
    long = short[:16] + struct.pack("<I", coded) + short[20:] + bytes(coded - size)
    long = long[:4] + struct.pack("<I", len(long) - 8) + long[8:]
    for data, count in ((short, 1), (long, 0)):
        facts, made = inspect_and_render(data, LIMITS, [VariantSpec(width=20)])
        assert (facts.width, len(made)) == (601, count)


def test_the_format_that_is_left_open_is_the_best_there_is() -> None:
    for kind, best in (("JPEG", VariantFormat.AVIF), ("WEBP", VariantFormat.WEBP)):
        _, made = inspect_and_render(picture(kind), LIMITS, [VariantSpec(width=20)])
        assert [it.format for it in made] == [best]


@pytest.fixture
def services(factory: AWSClientFactory, own_settings: Settings) -> Services:
    assert factory  # its AWS is the one that the service uses
    changed = own_settings.model_dump(exclude_unset=True) | {"variants_at_upload": NAMES}
    return build_services(Settings.model_validate(changed))


def upload(services: Services, data: bytes, *, key: str | None = None) -> Image:
    with Spool(max_bytes=10**7) as spool:
        spool.write(data)
        return services.images.upload("alice", NewImage(), spool, key=key)


def kept(services: Services, image: Image) -> set[str]:
    pages = services.storage.objects(f"variants/{image.image_id}/")
    return {stored.key.rpartition("/")[2] for page in pages for stored in page}


WIDE, SQUARE = "256x171-q80.webp", "128x128-center-q80.avif"


def test_an_upload_leaves_its_first_variants_in_the_bucket(services: Services) -> None:
    image = upload(services, large("JPEG"))
    assert kept(services, image) == {WIDE, SQUARE}
    wide = Rendition(width=256, height=171, crop=None, format=VariantFormat.WEBP, quality=80)
    assert services.variants.data(image, wide) == services.storage.variant(image.image_id, WIDE)
    services.images.delete("alice", image.image_id)
    assert kept(services, image) == set()


@pytest.mark.parametrize("method", UploadMethod)
def test_so_does_an_upload_straight_to_the_bucket(services: Services, method: UploadMethod, bucket: str) -> None:
    data = large("JPEG")
    announced = Announcement(
        new=NewImage(), content_type=ContentType.JPEG, file_size=len(data), sha256=None, method=method
    )
    image, _ = services.uploads.issue("alice", announced)
    services.storage._factory.s3().put_object(Bucket=bucket, Key=image.object_key, Body=data)
    assert services.uploads.complete("alice", image.image_id).sha256
    assert kept(services, image) == {WIDE, SQUARE}


@pytest.fixture
def bucket(own_settings: Settings) -> str:
    return own_settings.s3_bucket


@pytest.mark.parametrize("code", ["SlowDown", "AccessDenied"])
def test_an_upload_does_not_fail_with_its_variants(services: Services, code: str) -> None:
    def fail(params: dict[str, Any], **_: object) -> None:
        if "/variants/" in params["url_path"]:
            raise ClientError({"Error": {"Code": code}}, "PutObject")

    services.storage._factory.s3().meta.events.register("before-call.s3.PutObject", fail)
    image = upload(services, large("JPEG"))
    assert services.images.get("alice", image.image_id) == image
    assert kept(services, image) == set()


def test_variants_of_an_image_that_is_deleted_meanwhile_do_not_stay(services: Services) -> None:
    image = upload(services, large("PNG"))
    services.images.delete("alice", image.image_id)
    rendition = Rendition(width=9, height=9, crop=None, format=VariantFormat.WEBP, quality=80)
    services.variants.keep(image, {rendition: b"too late"})
    assert kept(services, image) == set()


def test_a_repeated_request_brings_back_what_a_crash_left_out(services: Services) -> None:
    data = large("JPEG")
    image = upload(services, data, key="once")
    services.storage.delete_variants(image.image_id)
    assert upload(services, data, key="once") == image
    assert kept(services, image) == {WIDE, SQUARE}


@pytest.mark.parametrize(
    "name",
    [
        "256",
        "256x-contain",
        "300x-contain-q80.webp",
        "256x-contain-q81.webp",
        "256x-contain-q80.gif",
        "x-contain-q80.auto",
    ],
)
def test_a_variant_that_nobody_can_ask_for_is_no_setting(name: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"variants_at_upload": name})


def test_a_preset_may_have_other_sizes() -> None:
    names = "100x50-cover-center-q90.webp, 64x64-cover-center-q80.auto"
    settings = Settings.model_validate({"variants_at_upload": names, "variant_presets": "odd=100x50-cover"})
    assert [it.width for it in settings.specs_at_upload] == [100, 64]
