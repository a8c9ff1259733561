"""What Prometheus reads: only where a token is configured, or on a machine of one's own."""

from flask import Blueprint, Response, request

from app.api.context import context
from app.api.operations import Answer, Operation, operation
from app.errors import InvalidToken
from app.metrics import CONTENT_TYPE

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@operation(
    Operation(
        summary="Metrics for Prometheus; send METRICS_TOKEN as a bearer token if one is configured",
        answers={200: Answer(description="Prometheus' text format", media_types=("text/plain",))},
        failures=(InvalidToken,),
        identified=False,
    )
)
def metrics() -> Response:
    scope = context()
    if not scope.settings.accepts_metrics_token(request.environ.get("HTTP_AUTHORIZATION", "")):
        raise InvalidToken("Send the metrics token as a bearer token.")
    return Response(scope.services.metrics.exposition(), content_type=CONTENT_TYPE)
