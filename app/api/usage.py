"""The route /api/v1/usage: how much the caller has, and may have."""

from flask import Blueprint, Response, request

from app.api.auth import caller, identify
from app.api.context import context
from app.api.operations import Answer, Operation, operation
from app.api.parsing import parsed_query
from app.api.presenting import json_response
from app.api.request_models import NoQuery
from app.api.response_models import UsageReport

blueprint = Blueprint("usage", __name__, url_prefix="/api/v1/usage")
blueprint.before_request(identify)


@blueprint.get("")
@operation(
    Operation(
        summary="Show usage and quota",
        answers={200: Answer(description="Images, bytes, and their quotas", model=UsageReport)},
    )
)
def usage() -> Response:
    scope = context()
    parsed_query(request, NoQuery)
    used = scope.services.usage.of(caller())
    return json_response(
        UsageReport(
            images=used.images,
            bytes=used.bytes,
            max_images=scope.settings.max_images_per_user,
            max_bytes=scope.settings.max_bytes_per_user,
        )
    )
