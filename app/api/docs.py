"""The OpenAPI document, and a page that shows it without any other host."""

from importlib.resources import files
from pathlib import Path

import orjson
from flask import Blueprint, Response, abort, current_app, request, send_from_directory, url_for

from app.api.openapi import openapi_document
from app.api.operations import Answer, Operation, operation

blueprint = Blueprint("docs", __name__)

_OWN_FILES = Path(__file__).parent / "static"
_SWAGGER_UI = str(files("flask_swagger_ui") / "dist")
_ASSETS = {
    "swagger-ui.css": _SWAGGER_UI,
    "swagger-ui-bundle.js": _SWAGGER_UI,
    "docs.css": str(_OWN_FILES),
    "docs.js": str(_OWN_FILES),
}
# Swagger UI sets style attributes and draws its icons from data: URLs; scripts come from here alone.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("/openapi.json")
@operation(
    Operation(summary="This document", answers={200: Answer(description="OpenAPI 3.1", is_json=True)}, identified=False)
)
def openapi() -> Response:
    document = openapi_document(current_app, server=request.script_root or "/")
    return Response(orjson.dumps(document), mimetype="application/json")


@blueprint.get("/docs")
def page() -> Response:
    if request.path.endswith("/"):  # what the page loads is named relative to the address without
        return Response(status=302, headers={"Location": url_for("docs.page")})
    response = send_from_directory(_OWN_FILES, "docs.html")
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    return response


@blueprint.get("/docs/<name>")
def asset(name: str) -> Response:
    if name not in _ASSETS:
        abort(404)
    return send_from_directory(_ASSETS[name], name, max_age=3600)
