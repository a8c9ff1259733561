"""What several tests of the contract do and expect."""

from typing import Any

import httpx

from tests.samples import picture

IMAGES = "/api/v1/images"
UPLOADS = "/api/v1/uploads"
Json = dict[str, Any]


def upload(api: httpx.Client, data: bytes | None = None, *, filename: str = "beach.jpg", **fields: Any) -> Json:
    """Upload an image as a browser's form does, and return the resource."""
    response = api.post(f"{IMAGES}/upload", files={"file": (filename, data or picture(), "image/jpeg")}, data=fields)
    assert response.status_code == 201, response.text
    resource: Json = response.json()
    return resource


def assert_problem(response: httpx.Response, status: int, code: str, *fields: str) -> Json:
    """The answer is this failure, in the one format that failures have."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: Json = response.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert {"type", "title", "detail"} <= problem.keys()
    assert [item["field"] for item in problem.get("errors", [])] == list(fields)
    return problem
