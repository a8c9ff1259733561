"""Answers as JSON."""

from collections.abc import Iterable, Mapping

import orjson
from flask import Response
from pydantic import BaseModel

from app.api.context import Context, context
from app.api.response_models import ImageResource, Plan, UploadRequest
from app.models import Image, QueryCost, Status
from app.services.presign import PresignedUpload
from app.times import rfc3339
from app.variant_specs import VariantSpec

LINKS = "/api/v1/thumbnails"
"""Where links to variants lead."""


def json_response(model: BaseModel | Mapping[str, object], status: int = 200) -> Response:
    """The model as JSON, for nobody's cache, as all answers that say nothing else (`hardening`)."""
    body = model.model_dump_json() if isinstance(model, BaseModel) else orjson.dumps(model)
    return Response(body, status, content_type="application/json")


def image_answer(image: Image, status: int = 200, *, with_srcset: bool = False) -> Response:
    """The image as JSON, with the ETag of its version."""
    response = json_response(image_resource(image, with_srcset=with_srcset), status)
    response.headers["ETag"] = version_etag(image)
    return response


def image_resource(image: Image, *, with_srcset: bool = False) -> ImageResource:
    """The image as its owner sees it, with URLs of its bytes and its variants once there are any."""
    return image_resources((image,), with_srcset=with_srcset)[0]


def image_resources(images: Iterable[Image], *, with_srcset: bool = False) -> list[ImageResource]:
    """As `image_resource`, all as of the same moment."""
    scope = context()
    now = scope.services.clock()
    urls = scope.services.storage.urls(now)
    expires_at, links_expire = rfc3339(urls.expires_at), scope.services.links.expires(now)
    shown = []
    for image in images:
        resource = _without_urls(image)
        if image.status is Status.UPLOADED:
            resource["sha256"] = image.sha256
            resource["download_url"] = urls.image(image)
            resource["url_expires_at"] = expires_at
            resource["thumbnail_url"] = _variant_url(scope, image, scope.default_spec_name, links_expire)
            if with_srcset:
                resource["srcset"] = _srcset(scope, image, links_expire)
        shown.append(resource)
    return shown


def _without_urls(image: Image) -> ImageResource:
    """What is shown while there are no bytes to give."""
    assert image.status is not Status.DELETING  # nobody is shown those
    created_at = rfc3339(image.created_at)
    resource: ImageResource = {
        "image_id": image.image_id,
        "user_id": image.user_id,
        "filename": image.filename,
        "title": image.title,
        "description": image.description,
        "location": image.location,
        "tags": list(image.tags),
        "content_type": image.content_type,
        "file_size": image.file_size,
        "width": image.width,
        "height": image.height,
        "frames": image.frames,
        "has_alpha": image.has_alpha,
        "dominant_color": image.dominant_color,
        "placeholder": image.placeholder,
        "captured_at": image.captured_at,
        "sha256": None,
        "status": image.status,
        "created_at": created_at,
        "updated_at": created_at if image.updated_at == image.created_at else rfc3339(image.updated_at),
        "version": image.version,
        "download_url": None,
        "url_expires_at": None,
        "thumbnail_url": None,
    }
    if image.rejection is not None:
        resource["rejection"] = {"code": image.rejection.code, "detail": image.rejection.detail}
    return resource


def upload_request(upload: PresignedUpload) -> UploadRequest:
    return {
        "method": upload.method,
        "url": upload.url,
        "headers": dict(upload.headers),
        "fields": dict(upload.fields),
        "expires_at": rfc3339(upload.expires_at),
    }


def plan(cost: QueryCost) -> Plan:
    return {
        "index": cost.index,
        "lists": list(cost.lists),
        "rows_read": cost.rows_read,
        "postings_read": cost.postings_read,
        "read_units": cost.read_units,
        "requests": cost.requests,
    }


def _variant_url(scope: Context, image: Image, spec_name: str, expires: int) -> str:
    """A signed link to a variant of a finished image: a path from the root, or below PUBLIC_URL."""
    assert image.sha256 is not None  # every finished image has one
    link = scope.services.links.sign(image.image_id, image.sha256, spec_name, expires)
    return (
        f"{scope.settings.public_url or ''}{LINKS}/{link.image_id}/{link.spec_name}"
        f"?v={link.version}&expires={link.expires}&signature={link.signature}"
    )


def _srcset(scope: Context, image: Image, expires: int) -> str:
    """Each width on the ladder for which the image has pixels, and its own width where that is less than the next."""
    assert image.width is not None  # as above
    entries: list[str] = []
    for width in scope.settings.variant_sizes:
        url = _variant_url(scope, image, VariantSpec(width=width).name, expires)
        entries.append(f"{url} {min(width, image.width)}w")
        if width >= image.width:
            break
    return ", ".join(entries)


def version_etag(image: Image) -> str:
    """For If-Match. It is not offered for If-None-Match: the same version comes with ever new URLs."""
    suffix = "" if image.status is Status.UPLOADED else f"-{image.status}"
    return f'"{image.version}{suffix}"'
