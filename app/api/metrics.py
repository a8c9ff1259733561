"""What Prometheus reads: only where a token is configured, or on a machine of one's own."""

import hmac

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
    token = scope.settings.metrics_token
    if token is not None:
        expected = f"Bearer {token.get_secret_value()}".encode()
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected):
            raise InvalidToken("Send the metrics token as a bearer token.")
    return Response(scope.services.metrics.exposition(), content_type=CONTENT_TYPE)
