"""Answers as JSON."""

from flask import Response
from pydantic import BaseModel

from app.api.context import context
from app.api.response_models import ImageResource
from app.models import Image, Status


def json_response(model: BaseModel, status: int = 200) -> Response:
    """The model as JSON. What is told to one caller is not for anyone's cache."""
    response = Response(model.model_dump_json(), status, mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-store"
    return response


def image_resource(image: Image) -> ImageResource:
    """The image as its owner sees it, with a presigned URL once there are bytes behind it."""
    services = context().services
    finished = image.status is Status.UPLOADED
    return ImageResource.of(image, services.storage.download_url(image, services.clock()) if finished else None)


def version_etag(image: Image) -> str:
    """For If-Match. It is not offered for If-None-Match: the same version comes with ever new URLs."""
    suffix = "" if image.status is Status.UPLOADED else f"-{image.status}"
    return f'"{image.version}{suffix}"'
