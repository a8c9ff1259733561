"""The routes under /api/v1/images: parse, one call of the service, present."""

import base64
from urllib.parse import urlencode

from flask import Blueprint, Response, request, url_for
from werkzeug.routing import BaseConverter

from app import errors
from app.api.auth import caller, identify
from app.api.bodies import read_json, read_upload
from app.api.conditions import expected_versions
from app.api.context import context
from app.api.downloads import image_response
from app.api.idempotency import idempotency_key
from app.api.operations import Answer, Operation, operation
from app.api.parsing import TAGS, parse, parsed_query
from app.api.presenting import image_answer, image_resources, json_response, plan
from app.api.request_models import BatchDelete, DownloadQuery, MetadataQuery, NoQuery
from app.api.response_models import (
    Base64Download,
    BatchDeleteResult,
    BatchDeleteResults,
    Deleted,
    ImageList,
    ImageResource,
)
from app.models import Image

blueprint = Blueprint("images", __name__, url_prefix="/api/v1/images")
blueprint.before_request(identify)


class ImageIdConverter(BaseConverter):
    """Any segment but the names of routes, so that those answer 405 and not that there is no such image."""

    regex = r"(?!(?:upload|batch-delete)\Z)[^/]+"
    part_isolating = True  # werkzeug would not know by such an expression that it stays within one segment


_ONE_IMAGE = (errors.NotOwner, errors.ImageNotFound)
_JSON_BODY = (errors.IncompleteBody, errors.LengthRequired, errors.ImageTooLarge)
_DOWNLOAD_HEADERS = ("ETag", "Last-Modified", "Accept-Ranges", "Content-Disposition", "Cache-Control")


@blueprint.post("")
@blueprint.post("/upload")
@operation(
    Operation(
        summary="Upload an image",
        answers={
            201: Answer(
                description="Stored",
                model=ImageResource,
                headers=("Location", "ETag"),
                image_id_at="/image_id",
                leads_to=("images", "thumbnails"),
            )
        },
        query="upload_fields",
        uploads=True,
        creates=True,
        reads_headers=("Repr-Digest", "Content-Digest", "X-Amz-Checksum-Sha256"),
        failures=(
            errors.IncompleteBody,
            errors.ChecksumMismatch,
            errors.LengthRequired,
            errors.ImageNotFound,
            errors.ImageTooLarge,
            errors.UnsupportedImageType,
            errors.InvalidImage,
            errors.Overloaded,
        ),
    )
)
def upload() -> Response:
    scope = context()
    key = idempotency_key(request)
    received = read_upload(request, scope.models, scope.settings)
    with received.spool as spool:
        image = scope.services.images.upload(caller(), received.fields.new_image(), spool, key=key)
    response = image_answer(image, 201)
    response.headers["Location"] = url_for("images.download", image_id=image.image_id)
    return response


@blueprint.get("")
@operation(
    Operation(
        summary="List images",
        answers={200: Answer(description="A page", model=ImageList, headers=("Link",))},
        query="list_query",
        failures=(errors.InvalidCursor, errors.NotOwner),
    )
)
def list_images() -> Response:
    scope = context()
    query = parsed_query(request, scope.models.list_query, lists=TAGS)
    if query.user_id is not None and query.user_id != caller():
        raise errors.NotOwner("You can only list your own images.")
    page = scope.services.images.list(caller(), query.filter(), limit=query.limit, cursor=query.cursor)
    shown: ImageList = {
        "images": image_resources(page.images, with_srcset=query.srcset),
        "count": len(page.images),
        "next_cursor": page.next_cursor,
    }
    if query.explain:
        shown["plan"] = plan(page.cost)
    response = json_response(shown)
    if page.next_cursor is not None:
        parameters = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
        following = urlencode([*parameters, ("cursor", page.next_cursor)])
        response.headers["Link"] = f'<{url_for("images.list_images")}?{following}>; rel="next"'
    return response


@blueprint.get("/<image_id:image_id>")
@operation(
    Operation(
        summary="Download an image",
        answers={
            200: Answer(
                description="The image, or with encoding=base64 JSON around it",
                model=Base64Download,
                image=True,
                headers=_DOWNLOAD_HEADERS,
            ),
            206: Answer(description="A part of it", image=True, headers=(*_DOWNLOAD_HEADERS, "Content-Range")),
            302: Answer(description="It is at the presigned URL", headers=("Location",)),
            304: Answer(description="The client already has it", headers=("ETag",)),
        },
        query=DownloadQuery,
        reads_headers=(
            "Range",
            "If-Range",
            "If-Match",
            "If-None-Match",
            "If-Modified-Since",
            "If-Unmodified-Since",
        ),
        failures=(*_ONE_IMAGE, errors.ImageTooLarge, errors.PreconditionFailed, errors.RangeNotSatisfiable),
    )
)
def download(image_id: str) -> Response:
    scope = context()
    query = parsed_query(request, DownloadQuery)
    image = scope.services.images.get(caller(), image_id)
    if query.redirect:
        return _redirect_to_bucket(image, attachment=query.download)
    limit = scope.settings.max_response_bytes
    if query.encoding == "base64":
        # JSON is made in memory, and who wants it is not served by a redirect to bytes.
        if image.file_size > min(limit or scope.settings.max_body_bytes, scope.settings.max_body_bytes):
            raise errors.ImageTooLarge("The image is too large for a JSON answer. Repeat the request without encoding.")
        data = b"".join(scope.services.images.open(image))
        return json_response(
            Base64Download(
                image_id=image.image_id,
                filename=image.filename,
                content_type=image.content_type,
                image_data=base64.b64encode(data).decode(),
            )
        )
    response = image_response(request, image, scope.services.images, attachment=query.download, max_bytes=limit)
    return response or _redirect_to_bucket(image, attachment=query.download)


@blueprint.get("/<image_id:image_id>/metadata")
@operation(
    Operation(
        summary="Show an image's metadata",
        answers={200: Answer(description="The image", model=ImageResource, headers=("ETag",))},
        query=MetadataQuery,
        failures=_ONE_IMAGE,
    )
)
def metadata(image_id: str) -> Response:
    query = parsed_query(request, MetadataQuery)
    return image_answer(context().services.images.describe(caller(), image_id), with_srcset=query.srcset)


@blueprint.put("/<image_id:image_id>")
@blueprint.patch("/<image_id:image_id>")
@operation(
    Operation(
        summary="Edit title, description, location or tags",
        answers={200: Answer(description="The edited image", model=ImageResource, headers=("ETag",))},
        body="image_edit",
        reads_headers=("If-Match",),
        failures=(*_ONE_IMAGE, *_JSON_BODY, errors.PreconditionFailed),
    )
)
def edit(image_id: str) -> Response:
    scope = context()
    parsed_query(request, NoQuery)
    try:
        changes = parse(scope.models.image_edit, read_json(request)).changes()
    except errors.InvalidRequest:
        scope.services.images.get(caller(), image_id)  # whose image it is matters before what is wrong with the edit
        raise
    image = scope.services.images.update(caller(), image_id, changes, expected_versions=expected_versions(request))
    return image_answer(image)


@blueprint.delete("/<image_id:image_id>")
@operation(
    Operation(
        summary="Delete an image",
        answers={200: Answer(description="Deleted", model=Deleted)},
        reads_headers=("If-Match",),
        failures=(*_ONE_IMAGE, errors.PreconditionFailed),
    )
)
def delete(image_id: str) -> Response:
    parsed_query(request, NoQuery)
    context().services.images.delete(caller(), image_id, expected_versions=expected_versions(request))
    return json_response(Deleted(message="The image was deleted.", image_id=image_id))


@blueprint.post("/batch-delete")
@operation(
    Operation(
        summary="Delete up to 100 images",
        answers={200: Answer(description="The result for each image", model=BatchDeleteResults)},
        body=BatchDelete,
        failures=_JSON_BODY,
    )
)
def batch_delete() -> Response:
    parsed_query(request, NoQuery)
    wanted = parse(BatchDelete, read_json(request))
    outcomes = context().services.images.delete_many(caller(), wanted.image_ids)
    return json_response(
        BatchDeleteResults(
            results=[BatchDeleteResult(image_id=image_id, status=status) for image_id, status in outcomes.items()]
        )
    )


def _redirect_to_bucket(image: Image, *, attachment: bool) -> Response:
    services = context().services
    url = services.storage.urls(services.clock()).image(image, attachment=attachment)
    return Response(status=302, headers={"Location": url, "Cache-Control": "private, no-store"})
