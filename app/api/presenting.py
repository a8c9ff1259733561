"""Answers as JSON."""

from flask import Response
from pydantic import BaseModel


def json_response(model: BaseModel, status: int = 200) -> Response:
    """The model as JSON. What is told to one caller is not for anyone's cache."""
    response = Response(model.model_dump_json(), status, mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-store"
    return response
