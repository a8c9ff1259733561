from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.contract.steps import IMAGES, UPLOADS, assert_problem, upload


def test_health_and_readiness(nobody: httpx.Client) -> None:
    assert nobody.get("/health").json()["status"] == "healthy"
    ready = nobody.get("/ready")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "checks": {"s3": "ok", "dynamodb": "ok", "sqs": "ok"}}


def test_the_docs_page_has_one_address(nobody: httpx.Client) -> None:
    assert nobody.get("/docs/").headers["Location"] == "/docs"  # what it loads is named relative to it


def test_limits(nobody: httpx.Client) -> None:
    limits = nobody.get("/api/v1/limits").json()
    assert limits["max_upload_bytes"] == 10 * 1024 * 1024
    assert limits["max_direct_upload_bytes"] == 100 * 1024 * 1024
    assert limits["max_request_bytes"] is None
    assert limits["max_response_bytes"] is None
    assert limits["max_image_pixels"] == 50_000_000
    assert limits["content_types"] == ["image/jpeg", "image/png", "image/gif", "image/webp"]
    assert (limits["default_list_limit"], limits["max_list_limit"]) == (10, 100)
    assert limits["upload_routes"] == ["multipart", "raw", "base64", "presigned-put", "presigned-post"]


@pytest.mark.parametrize("path", ["/nonsense", "/api/v1", "/api/v1/images/a/b/c", "/docs/../app.py", "/docs/x.js"])
def test_an_unknown_path_is_a_problem(nobody: httpx.Client, path: str) -> None:
    assert_problem(nobody.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", IMAGES, {"GET", "HEAD", "OPTIONS", "POST"}),
        ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
        ("GET", f"{IMAGES}/upload", {"OPTIONS", "POST"}),
        ("DELETE", f"{IMAGES}/upload", {"OPTIONS", "POST"}),
        ("HEAD", f"{IMAGES}/batch-delete", {"OPTIONS", "POST"}),
        ("GET", f"{IMAGES}/batch-delete", {"OPTIONS", "POST"}),
        ("POST", f"{IMAGES}/x", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"}),
    ],
)
def test_a_method_not_allowed_names_those_that_are(
    api: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    response = api.request(method, path)
    assert response.status_code == 405
    if method != "HEAD":
        assert_problem(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (IMAGES, {"GET", "HEAD", "OPTIONS", "POST"}),
        (f"{IMAGES}/upload", {"OPTIONS", "POST"}),
        (f"{IMAGES}/batch-delete", {"OPTIONS", "POST"}),
        (f"{IMAGES}/x", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"}),
        (f"{IMAGES}/x/metadata", {"GET", "HEAD", "OPTIONS"}),
        ("/health", {"GET", "HEAD", "OPTIONS"}),
        ("/openapi.json", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_anybody_may_ask_for_the_methods(nobody: httpx.Client, path: str, allowed: set[str]) -> None:
    response = nobody.request("OPTIONS", path)
    assert (response.status_code, response.content) == (200, b"")
    assert set(response.headers["Allow"].split(", ")) == allowed


def test_a_sane_request_id_is_kept_and_another_replaced(nobody: httpx.Client) -> None:
    assert nobody.get("/health", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    for odd in ("x" * 200, "a b", "<script>", ""):
        made = nobody.get("/health", headers={"X-Request-ID": odd}).headers["X-Request-ID"]
        assert made not in (odd, "")


def test_the_openapi_document_is_valid_and_says_what_is_served(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    image = upload(api, title="T")
    path = f"{IMAGES}/{image['image_id']}"
    announced = {"filename": "a.png", "content_type": "image/png", "file_size": 7, "sha256": "0" * 64}
    served: list[tuple[str, str, httpx.Response]] = [
        ("get", "/health", api.get("/health")),
        ("get", "/ready", api.get("/ready")),
        ("get", "/api/v1/limits", api.get("/api/v1/limits")),
        ("get", IMAGES, api.get(IMAGES)),
        ("get", IMAGES, api.get(IMAGES, params={"limit": "0"})),
        ("get", f"{IMAGES}/{{image_id}}/metadata", api.get(f"{path}/metadata")),
        ("get", f"{IMAGES}/{{image_id}}", api.get(path, params={"encoding": "base64"})),
        ("get", f"{IMAGES}/{{image_id}}", api.get(path, headers={"Range": "bytes=5000000-"})),
        ("patch", f"{IMAGES}/{{image_id}}", api.patch(path, json={"title": None})),
        ("patch", f"{IMAGES}/{{image_id}}", api.patch(path, json={"title": "x"}, headers={"If-Match": '"1"'})),
        ("post", f"{IMAGES}/upload", api.post(f"{IMAGES}/upload", files={"file": ("a", b"x")})),
        ("post", f"{IMAGES}/batch-delete", api.post(f"{IMAGES}/batch-delete", json={"image_ids": ["x"]})),
        ("delete", f"{IMAGES}/{{image_id}}", api.delete(path)),
        ("delete", f"{IMAGES}/{{image_id}}", api.delete(path)),
        ("post", UPLOADS, issued := api.post(UPLOADS, json=announced)),
        ("post", UPLOADS, api.post(UPLOADS, json=announced | {"method": "POST"})),
        ("post", UPLOADS, api.post(UPLOADS, json=announced | {"content_type": "text/html"})),
        ("post", f"{UPLOADS}/{{image_id}}/complete", api.post(f"{issued_path(issued)}/complete")),
        ("delete", f"{UPLOADS}/{{image_id}}", api.delete(issued_path(issued))),
        ("delete", f"{UPLOADS}/{{image_id}}", api.delete(issued_path(issued))),
    ]
    for method, template, response in served:
        described = document["paths"][template][method]["responses"][str(response.status_code)]
        media_type = response.headers["Content-Type"].partition(";")[0]
        schema = {"$ref": described["content"][media_type]["schema"]["$ref"], "components": document["components"]}
        Draft202012Validator(schema).validate(response.json())


def issued_path(issued: httpx.Response) -> str:
    return f"{UPLOADS}/{issued.json()['image']['image_id']}"


def test_the_limits_of_the_document_are_those_of_the_service(nobody: httpx.Client) -> None:
    document = nobody.get("/openapi.json").json()

    def max_length(field: str) -> Any:
        return document["components"]["schemas"]["ImageEdit"]["properties"][field]["anyOf"][0]

    limits = nobody.get("/api/v1/limits").json()
    assert max_length("title")["maxLength"] == limits["max_title_length"]
    assert max_length("tags")["maxItems"] == limits["max_tags"]
    assert max_length("tags")["items"]["maxLength"] == limits["max_tag_length"]


def test_the_docs_page_loads_everything_from_here(nobody: httpx.Client) -> None:
    page = nobody.get("/docs")
    assert page.status_code == 200
    assert "://" not in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "docs.css", "docs.js"):
        assert f'"docs/{name}"' in page.text
        assert nobody.get(f"/docs/{name}").status_code == 200
