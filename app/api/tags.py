"""The route /api/v1/tags: what the caller's images are tagged with."""

from flask import Blueprint, Response, request

from app.api.auth import caller, identify
from app.api.context import context
from app.api.operations import Answer, Operation, operation
from app.api.parsing import parsed_query
from app.api.presenting import json_response
from app.api.response_models import Tags

blueprint = Blueprint("tags", __name__, url_prefix="/api/v1/tags")
blueprint.before_request(identify)


@blueprint.get("")
@operation(
    Operation(
        summary="List tags in use",
        answers={200: Answer(description="Tags of the caller's images", model=Tags)},
        query="tags_query",
    )
)
def list_tags() -> Response:
    scope = context()
    query = parsed_query(request, scope.models.tags_query)
    return json_response(Tags(tags=list(scope.services.images.tags(caller(), prefix=query.prefix, limit=query.limit))))
