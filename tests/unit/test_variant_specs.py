import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models import ContentType
from app.variant_specs import (
    Crop,
    Fit,
    Rendition,
    VariantFormat,
    VariantSpec,
    automatic_formats,
    parsed_preset,
    parsed_spec,
    rounded_up,
)

sides = st.integers(1, 16384)
specs = st.builds(
    VariantSpec,
    width=st.integers(1, 2048),
    height=st.none() | st.integers(1, 2048),
    fit=st.sampled_from(Fit),
    format=st.none() | st.sampled_from(VariantFormat),
    quality=st.sampled_from([50, 65, 80, 90]),
)


@given(specs, sides, sides)
def test_a_variant_is_never_larger_than_its_image_nor_than_the_box(spec: VariantSpec, width: int, height: int) -> None:
    made_width, made_height = spec.size(width, height)
    assert 1 <= made_width <= min(width, spec.width or width)
    assert 1 <= made_height <= min(height, spec.height or height)


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        (VariantSpec(width=256), (256, 192)),
        (VariantSpec(height=300), (400, 300)),
        (VariantSpec(width=100, height=100), (100, 75)),
        (VariantSpec(width=9000), (4000, 3000)),
        (VariantSpec(width=100, height=100, fit=Fit.COVER), (100, 100)),
        (VariantSpec(width=4000, height=6000, fit=Fit.COVER), (2000, 3000)),
        (VariantSpec(width=100, fit=Fit.COVER), (100, 75)),
    ],
)
def test_sizes(spec: VariantSpec, size: tuple[int, int]) -> None:
    assert spec.size(4000, 3000) == size


@pytest.mark.parametrize("spec", [VariantSpec(width=20), VariantSpec(width=10, height=16_384, fit=Fit.COVER)])
def test_no_variant_is_longer_than_every_format_takes(spec: VariantSpec) -> None:
    assert spec.size(20, 16_384)[1] == 16_383


def test_wishes_that_come_to_the_same_picture_are_one_rendition() -> None:
    wishes = [
        VariantSpec(width=512),
        VariantSpec(width=2048),
        VariantSpec(width=600, height=400, fit=Fit.COVER),
    ]
    made = {spec.rendition(300, 200, VariantFormat.WEBP) for spec in wishes}
    assert made == {Rendition(width=300, height=200, crop=None, format=VariantFormat.WEBP, quality=80)}
    assert made.pop().name == "300x200-q80.webp"


def test_what_is_cut_off_is_in_the_name() -> None:
    spec = VariantSpec(width=64, height=64, fit=Fit.COVER, crop=Crop.ATTENTION)
    assert spec.rendition(300, 200, VariantFormat.PNG).name == "64x64-attention.png"


@given(specs)
def test_a_spec_is_read_from_its_name(spec: VariantSpec) -> None:
    assert parsed_spec(spec.name) == spec


@pytest.mark.parametrize("name", ["", "x-contain-q80.webp", "0x1-contain-q80.webp", "1x1-contain-q80.gif", "../1x1"])
def test_other_names_are_none(name: str) -> None:
    assert parsed_spec(name) is None


@pytest.mark.parametrize(("value", "step"), [(1, 64), (64, 64), (65, 128), (128, 128), (999, 128)])
def test_values_are_rounded_up_to_a_step(value: int, step: int) -> None:
    assert rounded_up(value, (64, 128)) == step


def test_presets() -> None:
    assert parsed_preset("face=64x48-cover-attention") == (
        "face",
        VariantSpec(width=64, height=48, fit=Fit.COVER, crop=Crop.ATTENTION),
    )
    for odd in ("face", "face=x-cover", "face=0x4-cover", "=4x4-cover", "a=4x4-contain-center"):
        with pytest.raises(ValueError, match="must be like"):
            parsed_preset(odd)


def test_formats_are_chosen_by_type_and_size() -> None:
    assert automatic_formats(ContentType.JPEG, 256, 256) == ("avif", "webp", "jpeg")
    assert automatic_formats(ContentType.JPEG, 2048, 2048) == ("webp", "jpeg")
    assert automatic_formats(ContentType.PNG, 64, 64) == ("avif", "webp", "png")
    assert automatic_formats(ContentType.GIF, 64, 64) == ("webp", "png")
    assert automatic_formats(ContentType.WEBP, 64, 64) == ("webp",)
