"""The routes under /api/v1/uploads: images that clients send straight to the bucket."""

from flask import Blueprint, Response, request, url_for

from app import errors
from app.api.auth import caller, identify
from app.api.bodies import read_json
from app.api.context import context
from app.api.idempotency import idempotency_key
from app.api.operations import Answer, Operation, operation
from app.api.parsing import parse, parsed_query
from app.api.presenting import image_answer, image_resource, json_response, upload_request, version_etag
from app.api.request_models import NoQuery
from app.api.response_models import Deleted, ImageResource, IssuedUpload

blueprint = Blueprint("uploads", __name__, url_prefix="/api/v1/uploads")
blueprint.before_request(identify)

_ONE_UPLOAD = (errors.NotOwner, errors.ImageNotFound, errors.UploadNotPending)


@blueprint.post("")
@operation(
    Operation(
        summary="Announce an image and get the request that uploads it straight to S3",
        answers={
            201: Answer(
                description="Announced",
                model=IssuedUpload,
                headers=("Location", "ETag"),
                image_id_at="/image/image_id",
                leads_to=("uploads",),
            )
        },
        body="upload_announcement",
        creates=True,
        failures=(
            errors.IncompleteBody,
            errors.LengthRequired,
            errors.ImageTooLarge,
            errors.UnsupportedImageType,
            errors.UploadNotPending,
        ),
    )
)
def issue() -> Response:
    scope = context()
    parsed_query(request, NoQuery)
    wanted = parse(scope.models.upload_announcement, read_json(request))
    key = idempotency_key(request)
    image, upload = scope.services.uploads.issue(caller(), wanted.announcement(), key=key)
    response = json_response({"image": image_resource(image), "upload": upload_request(upload)}, 201)
    response.headers["Location"] = url_for("images.metadata", image_id=image.image_id)
    response.headers["ETag"] = version_etag(image)
    return response


@blueprint.post("/<image_id>/complete")
@operation(
    Operation(
        summary="Check the uploaded file now",
        answers={200: Answer(description="Accepted", model=ImageResource, headers=("ETag",))},
        failures=(*_ONE_UPLOAD, errors.UploadRejected, errors.UploadExpired, errors.Overloaded),
    )
)
def complete(image_id: str) -> Response:
    parsed_query(request, NoQuery)
    image = context().services.uploads.complete(caller(), image_id)
    return image_answer(image)


@blueprint.delete("/<image_id>")
@operation(
    Operation(
        summary="Cancel an unfinished upload",
        answers={200: Answer(description="Cancelled, and removed", model=Deleted)},
        failures=_ONE_UPLOAD,
    )
)
def abandon(image_id: str) -> Response:
    parsed_query(request, NoQuery)
    context().services.uploads.abandon(caller(), image_id)
    return json_response(Deleted(message="The upload was abandoned.", image_id=image_id))
