"""Answers as JSON."""

from datetime import datetime

from flask import Response
from pydantic import BaseModel

from app.api.context import Context, context
from app.api.response_models import ImageResource
from app.models import Image, Status
from app.variant_specs import VariantSpec, default_spec

LINKS = "/api/v1/thumbnails"
"""Where links to variants lead."""


def json_response(model: BaseModel, status: int = 200) -> Response:
    """The model as JSON. What is told to one caller is not for anyone's cache."""
    response = Response(model.model_dump_json(), status, mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-store"
    return response


def image_resource(image: Image, *, with_srcset: bool = False) -> ImageResource:
    """The image as its owner sees it, with URLs of its bytes and its variants once there are any."""
    if image.status is not Status.UPLOADED:
        return ImageResource.of(image)
    scope = context()
    now = scope.services.clock()
    return ImageResource.of(
        image,
        download=scope.services.storage.download_url(image, now),
        thumbnail_url=_variant_url(scope, image, default_spec(scope.settings.variant_sizes), now),
        srcset=_srcset(scope, image, now) if with_srcset else None,
    )


def _variant_url(scope: Context, image: Image, spec: VariantSpec, now: datetime) -> str:
    """A signed link to a variant of a finished image: a path from the root, or below PUBLIC_URL."""
    assert image.sha256 is not None  # every finished image has one
    link = scope.services.links.sign(image.image_id, image.sha256, spec.name, now)
    return (
        f"{scope.settings.public_url or ''}{LINKS}/{link.image_id}/{link.spec_name}"
        f"?v={link.version}&expires={link.expires}&signature={link.signature}"
    )


def _srcset(scope: Context, image: Image, now: datetime) -> str:
    """Each width on the ladder for which the image has pixels, and its own width where that is less than the next."""
    assert image.width is not None  # as above
    entries: list[str] = []
    for width in scope.settings.variant_sizes:
        url = _variant_url(scope, image, VariantSpec(width=width), now)
        entries.append(f"{url} {min(width, image.width)}w")
        if width >= image.width:
            break
    return ", ".join(entries)


def version_etag(image: Image) -> str:
    """For If-Match. It is not offered for If-None-Match: the same version comes with ever new URLs."""
    suffix = "" if image.status is Status.UPLOADED else f"-{image.status}"
    return f'"{image.version}{suffix}"'
