"""An image's bytes as an HTTP answer: validators, conditions and ranges (RFC 9110 sections 8.8, 13, 14)."""

import re
from datetime import datetime

from flask import Request, Response
from werkzeug.http import http_date, parse_date

from app.api.conditions import if_match
from app.errors import PreconditionFailed, RangeNotSatisfiable
from app.models import Image
from app.services.bucket_urls import content_disposition
from app.services.images import ImageService

# Section 14.1.2: from one byte to another or to the end, or the last so many.
_ONE_RANGE = re.compile(r"bytes=(?:([0-9]{1,1000})-([0-9]{0,1000})|-([0-9]{1,1000}))", re.IGNORECASE)
# Bytes that a user uploaded run nothing, whatever a browser takes them for.
CONTENT_SECURITY_POLICY = "default-src 'none'; sandbox"


def image_response(
    request: Request, image: Image, images: ImageService, *, attachment: bool, max_bytes: int | None = None
) -> Response | None:
    """The answer to GET or HEAD; None where its body would have more than `max_bytes`. S3 is asked only for bytes.

    Raises PreconditionFailed and RangeNotSatisfiable.
    """
    changed_at = _last_modified(image)
    if _precondition_fails(request, image, changed_at):
        raise PreconditionFailed("The image is not in the version that the request asks for.")
    if _is_current(request, image, changed_at):
        response = Response(status=304)
    elif request.method == "HEAD":
        response = Response(headers={"Content-Length": str(image.file_size)})
    else:
        wanted = _wanted_range(request, image, changed_at)
        start, stop = wanted or (0, image.file_size)
        if max_bytes is not None and stop - start > max_bytes:
            return None
        response = _bytes_response(image, images, wanted)
    if response.status_code != 304:
        response.headers["Content-Type"] = image.content_type
        response.headers["Content-Disposition"] = content_disposition(
            "attachment" if attachment else "inline", image.filename
        )
        response.headers["Accept-Ranges"] = "bytes"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["ETag"] = f'"{_etag(image)}"'
    response.headers["Last-Modified"] = http_date(changed_at)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _bytes_response(image: Image, images: ImageService, byte_range: tuple[int, int] | None) -> Response:
    stream = images.open(image, byte_range)
    response = Response(stream, status=206 if byte_range else 200)
    response.headers["Content-Length"] = str(stream.length)
    if byte_range:
        response.headers["Content-Range"] = f"bytes {byte_range[0]}-{byte_range[1] - 1}/{image.file_size}"
    return response


def _etag(image: Image) -> str:
    assert image.sha256 is not None  # every finished image has one
    return image.sha256


def _last_modified(image: Image) -> datetime:
    """The bytes never change, so the time they came, to the second, as the header has it."""
    return image.created_at.replace(microsecond=0)


def _date(request: Request, name: str) -> datetime | None:
    """A date from a header; one that is not valid counts as absent (section 13.1.3)."""
    try:
        return parse_date(request.headers.get(name))
    except OverflowError:  # werkzeug's parser passes absurd years and offsets on
        return None


def _precondition_fails(request: Request, image: Image, changed_at: datetime) -> bool:
    if "If-Match" in request.headers:
        wanted = if_match(request)
        return wanted is not None and _etag(image) not in wanted
    since = _date(request, "If-Unmodified-Since")
    return since is not None and changed_at > since


def _is_current(request: Request, image: Image, changed_at: datetime) -> bool:
    """Whether the client has these bytes already. If-None-Match wins over the date (section 13.2.2)."""
    if request.if_none_match:
        return request.if_none_match.contains_weak(_etag(image))
    since = _date(request, "If-Modified-Since")
    return since is not None and changed_at <= since


def _wanted_range(request: Request, image: Image, changed_at: datetime) -> tuple[int, int] | None:
    """The one range asked for, or None for the whole.

    What cannot be served as one range of bytes is ignored, as section 14.2 allows: several
    ranges, other units, malformed ones, and those whose If-Range does not hold.
    """
    wanted = _ONE_RANGE.fullmatch(request.headers.get("Range", "").strip())
    if wanted is None:
        return None
    try:
        condition = request.if_range
    except OverflowError:
        return None
    if condition.etag is not None and request.headers["If-Range"].strip() != f'"{_etag(image)}"':
        return None
    if condition.date is not None and condition.date != changed_at:
        return None
    first, last, suffix = (int(digits) if digits else None for digits in wanted.groups())
    if first is None:
        assert suffix is not None  # the pattern has one of them
        start, stop = max(image.file_size - suffix, 0), image.file_size
    elif last is None:
        start, stop = first, image.file_size
    elif last < first:
        return None
    else:
        start, stop = first, min(last + 1, image.file_size)
    if start >= image.file_size:
        raise RangeNotSatisfiable(complete_length=image.file_size)
    return start, stop
