"""Whether the process serves, whether its stores do, and what it accepts."""

from flask import Blueprint, Response

from app import errors
from app.api.context import context
from app.api.operations import Answer, Operation, operation
from app.api.presenting import json_response
from app.api.response_models import Health, Limits, Readiness
from app.models import ContentType
from app.variant_specs import QUALITIES, VariantFormat

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@operation(
    Operation(
        summary="Check that the process serves",
        answers={200: Answer(description="It serves", model=Health)},
        identified=False,
    )
)
def health() -> Response:
    return json_response(Health(status="healthy"))


@blueprint.get("/ready")
@operation(
    Operation(
        summary="Check that the stores answer",
        answers={200: Answer(description="All stores answer", model=Readiness)},
        failures=(errors.NotReady,),
        identified=False,
    )
)
def ready() -> Response:
    failing = context().services.readiness.failing_stores()
    checks = {store: "failing" if store in failing else "ok" for store in ("s3", "dynamodb", "sqs")}
    if failing:
        raise errors.NotReady(checks)
    return json_response(Readiness.model_validate({"status": "ready", "checks": checks}))


@blueprint.get("/api/v1/limits")
@operation(
    Operation(
        summary="Show what this service accepts",
        answers={200: Answer(description="Sizes, lengths and formats", model=Limits)},
        identified=False,
    )
)
def limits() -> Response:
    settings = context().settings
    return json_response(
        Limits(
            max_upload_bytes=settings.max_body_bytes,
            max_direct_upload_bytes=settings.max_direct_upload_bytes,
            max_request_bytes=settings.max_request_bytes,
            max_response_bytes=settings.max_response_bytes,
            max_image_pixels=settings.max_image_pixels,
            max_image_side=settings.max_image_side,
            max_image_frames=settings.max_image_frames,
            max_image_scans=settings.max_image_scans,
            max_image_metadata_bytes=settings.max_image_metadata_bytes,
            max_image_decode_bytes=settings.max_image_decode_bytes,
            content_types=list(ContentType),
            strip_metadata=settings.strip_metadata,
            max_title_length=settings.max_title_length,
            max_description_length=settings.max_description_length,
            max_location_length=settings.max_location_length,
            max_filename_length=settings.max_filename_length,
            max_tags=settings.max_tags,
            max_tag_length=settings.max_tag_length,
            default_list_limit=settings.default_list_limit,
            max_list_limit=settings.max_list_limit,
            variant_sizes=list(settings.variant_sizes),
            variant_qualities=list(QUALITIES),
            variant_formats=list(VariantFormat),
            variant_presets=list(settings.presets),
            upload_routes=["multipart", "raw", "base64", "presigned-put", "presigned-post"],
        )
    )
