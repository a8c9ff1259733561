"""Variants of images: for their owner by parameters, for an <img> by signed links."""

from flask import Blueprint, Request, Response, request

from app import errors
from app.api.auth import caller, identify
from app.api.context import context
from app.api.downloads import CONTENT_SECURITY_POLICY
from app.api.negotiation import accepted_format
from app.api.operations import Answer, Operation, operation
from app.api.parsing import parsed_query
from app.api.presenting import LINKS
from app.api.variant_queries import LinkQuery
from app.models import Image
from app.services.bucket_urls import content_disposition
from app.services.links import Link
from app.services.variants import variant_etag
from app.variant_specs import Rendition, VariantFormat, VariantSpec, automatic_formats, parsed_spec

blueprint = Blueprint("thumbnails", __name__, url_prefix="/api/v1/images")
blueprint.before_request(identify)
links = Blueprint("links", __name__, url_prefix=LINKS)

_MEDIA_TYPES = tuple(one.media_type for one in VariantFormat)
_HEADERS = ("ETag", "Content-Disposition", "Cache-Control", "Vary")
_ANSWERS = {
    200: Answer(description="The variant", media_types=_MEDIA_TYPES, headers=_HEADERS),
    302: Answer(
        description="Too large for this answer: it is at the presigned URL",
        headers=("Location", "Cache-Control", "Vary"),
    ),
    304: Answer(description="The client already has it", headers=("ETag", "Cache-Control", "Vary")),
}


@blueprint.get("/<image_id:image_id>/thumbnail")
@operation(
    Operation(
        summary="Show a variant of an image, in a format that the client accepts",
        answers=_ANSWERS,
        query="thumbnail_query",
        failures=(errors.NotOwner, errors.ImageNotFound, errors.InvalidImage, errors.Overloaded),
    )
)
def thumbnail(image_id: str) -> Response:
    scope = context()
    query = parsed_query(request, scope.models.thumbnail_query)
    spec = query.spec(scope.settings)
    image = scope.services.images.get(caller(), image_id)
    return _variant_response(request, image, spec)


@links.get("/<image_id:image_id>/<spec_name>")
@operation(
    Operation(
        summary="Show the target of a thumbnail_url or srcset link; needs no identity",
        answers=_ANSWERS,
        query=LinkQuery,
        failures=(
            errors.InvalidRequest,
            errors.InvalidLink,
            errors.ImageNotFound,
            errors.InvalidImage,
            errors.Overloaded,
            errors.BackendUnavailable,
        ),
        identified=False,
    )
)
def linked_thumbnail(image_id: str, spec_name: str) -> Response:
    services = context().services
    query = parsed_query(request, LinkQuery)
    now = services.clock()
    link = Link(
        image_id=image_id, version=query.v, spec_name=spec_name, expires=query.expires, signature=query.signature
    )
    services.links.verify(link, now)
    spec = parsed_spec(spec_name)
    if spec is None:
        raise errors.InvalidLink
    image = services.variants.linked(image_id, query.v)
    response = _variant_response(request, image, spec, seconds_left=query.expires - int(now.timestamp()))
    # Whoever has the link may see the picture, so an <img> on a page of any origin may show it.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _variant_response(
    request: Request, image: Image, spec: VariantSpec, *, seconds_left: int | None = None
) -> Response:
    """The variant; its URL stays good for so many seconds, or for the owner only and each time anew."""
    assert image.width is not None  # every finished image has both
    assert image.height is not None
    chosen = spec.format or accepted_format(
        request, automatic_formats(image.content_type, *spec.size(image.width, image.height))
    )
    rendition = spec.rendition(image.width, image.height, chosen)
    etag = variant_etag(image, rendition)
    name = f"{image.filename.rpartition('.')[0] or image.filename}.{chosen.extension}"
    if request.if_none_match.contains_weak(etag):
        response = Response(status=304)
    else:
        data = context().services.variants.data(image, rendition)
        limit = context().settings.max_response_bytes
        # A presigned URL is for GET only; the answer to HEAD has no body that could be too large.
        if limit is not None and len(data) > limit and request.method == "GET":
            return _redirect_to_bucket(image, spec, rendition, name, seconds_left)
        response = Response(data, content_type=chosen.media_type)
        response.headers["Content-Disposition"] = content_disposition("inline", name)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["ETag"] = f'"{etag}"'
    response.headers["Cache-Control"] = (
        "private, no-cache" if seconds_left is None else f"private, max-age={seconds_left}, immutable"
    )
    return _varied(response, spec)


def _redirect_to_bucket(
    image: Image, spec: VariantSpec, rendition: Rendition, filename: str, seconds_left: int | None
) -> Response:
    """Without an ETag, which would be that of the variant; kept for as long as both URLs are good, if at all."""
    services = context().services
    now = services.clock()
    urls = services.storage.urls(now)
    url = urls.variant(image.image_id, rendition.name, media_type=rendition.format.media_type, filename=filename)
    response = Response(status=302, headers={"Location": url})
    if seconds_left is not None:
        max_age = min(seconds_left, int((urls.expires_at - now).total_seconds()))
        response.headers["Cache-Control"] = f"private, max-age={max_age}"
    return _varied(response, spec)


def _varied(response: Response, spec: VariantSpec) -> Response:
    if spec.format is None:
        response.headers["Vary"] = "Accept"
    return response
