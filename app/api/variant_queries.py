"""Which variant a client asks for, by parameters or by a signed link. `request_models` adds the settings' limits."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from app.api.fields import plain_number
from app.api.parsing import RequestModel
from app.errors import FieldError, InvalidRequest
from app.settings import Settings
from app.variant_specs import QUALITIES, Crop, Fit, VariantFormat, VariantSpec, default_spec, rounded_up


class ThumbnailQuery(RequestModel):
    """Which variant of an image."""

    width: Annotated[int | None, BeforeValidator(plain_number)] = None
    height: Annotated[int | None, BeforeValidator(plain_number)] = None
    fit: Annotated[
        Literal["contain", "cover"] | None,
        Field(description="contain (default): fits inside width and height; cover: fills both and cuts off the rest"),
    ] = None
    crop: Annotated[
        Literal["center", "attention"] | None,
        Field(description="what cover keeps: the centre (default), or the part that draws attention"),
    ] = None
    format: Annotated[
        Literal["auto", "jpeg", "webp", "avif", "png"],
        Field(description="auto: chosen by the Accept header; only webp keeps animations"),
    ] = "auto"
    quality: Annotated[
        int,
        Field(ge=1, le=100, description="rounded up to 50, 65, 80 or 90; not for PNG"),
        BeforeValidator(plain_number),
    ] = 80
    preset: str | None = None

    def spec(self, settings: Settings) -> VariantSpec:
        """The variant, with sizes and quality on their steps. Raises InvalidRequest for a preset beside sizes."""
        twice = self.model_fields_set & {"width", "height", "fit", "crop"}
        if self.preset is None:
            sizes = settings.variant_sizes
            spec = default_spec(sizes)
            if self.width or self.height:
                spec = VariantSpec(
                    width=rounded_up(self.width, sizes) if self.width else None,
                    height=rounded_up(self.height, sizes) if self.height else None,
                    fit=Fit(self.fit or Fit.CONTAIN),
                    crop=Crop(self.crop or Crop.CENTER),
                )
        elif twice:
            raise InvalidRequest(
                errors=[FieldError(name, "cannot be combined with a preset") for name in sorted(twice)]
            )
        else:
            spec = settings.presets[self.preset]
        chosen = None if self.format == "auto" else VariantFormat(self.format)
        return replace(spec, format=chosen, quality=rounded_up(self.quality, QUALITIES))


class LinkQuery(RequestModel):
    """The signed part of a link."""

    v: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    expires: Annotated[int, Field(ge=0, lt=2**53, description="seconds since 1970"), BeforeValidator(plain_number)]
    signature: Annotated[str, StringConstraints(max_length=64)]
