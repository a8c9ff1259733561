"""Every route, asked about an image of somebody else: refused, and nothing learnt but whose it is not.

The routes come from the application itself, so that a new one is asked too.
"""

from collections.abc import Iterator

import httpx
import pytest

from app.api import create_app
from app.api.openapi import routes
from tests.conftest import test_settings
from tests.contract.conftest import Connect
from tests.contract.steps import IMAGES, UPLOADS, Json, assert_problem, upload

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
IDENTIFIED = [
    (method, rule.rule)
    for rule, contract in routes(create_app(test_settings()))
    if contract is not None and contract.identified
    for method in METHODS
    if method in (rule.methods or ())
]
OF_ONE_IMAGE = [(method, path) for method, path in IDENTIFIED if "image_id>" in path]
OF_THE_CALLER = {
    ("GET", IMAGES): {"images": [], "count": 0, "next_cursor": None},
    ("GET", "/api/v1/tags"): {"tags": []},
    ("GET", "/api/v1/usage"): {"images": 0, "bytes": 0, "max_images": None, "max_bytes": None},
}
CREATING = {("POST", IMAGES), ("POST", f"{IMAGES}/upload"), ("POST", UPLOADS)}
SECRETS = ("plans", "owner-of-it", "confidential", "hidden", "image/jpeg", "Moon")


@pytest.fixture
def owner(connect: Connect, user: str) -> Iterator[httpx.Client]:
    with connect(f"owner-of-it-{user}") as client:
        yield client


@pytest.fixture
def secret(owner: httpx.Client) -> Json:
    return upload(
        owner, filename="plans.jpg", title="plans", description="confidential", tags="hidden", location="Moon"
    )


@pytest.fixture
def announced(owner: httpx.Client) -> Json:
    body = {"filename": "plans.jpg", "content_type": "image/jpeg", "file_size": 1000, "title": "plans"}
    image: Json = owner.post(UPLOADS, json=body).json()["image"]
    return image


def path_of(rule: str, image: Json) -> str:
    return rule.replace("<image_id:image_id>", image["image_id"]).replace("<image_id>", image["image_id"])


def test_every_route_is_asked() -> None:
    others = {("HEAD", path) for _, path in OF_THE_CALLER} | {("POST", f"{IMAGES}/batch-delete")}
    assert {*OF_ONE_IMAGE, *OF_THE_CALLER, *CREATING, *others} == set(IDENTIFIED)
    assert len(OF_ONE_IMAGE) >= 9


@pytest.mark.parametrize(("method", "rule"), OF_ONE_IMAGE)
@pytest.mark.parametrize("which", ["secret", "announced"])
def test_the_image_of_another_is_refused(
    owner: httpx.Client, api: httpx.Client, request: pytest.FixtureRequest, *, method: str, rule: str, which: str
) -> None:
    image: Json = request.getfixturevalue(which)
    body = {"title": "mine"} if method in {"PUT", "PATCH"} else None
    response = api.request(method, path_of(rule, image), json=body)
    assert response.status_code == 403
    if method == "HEAD":
        assert response.content == b""
    else:
        problem = assert_problem(response, 403, "not_owner")
        assert problem.keys() == {"type", "title", "status", "detail", "code", "request_id"}
    told = response.text + str(response.headers)
    assert not [word for word in SECRETS if word in told]
    assert not {"ETag", "Last-Modified", "Location", "Content-Disposition"} & set(response.headers)
    after = owner.get(f"{IMAGES}/{image['image_id']}/metadata")
    assert (after.json()["version"], after.json()["status"]) == (1, image["status"])


@pytest.mark.parametrize(("method", "rule"), OF_ONE_IMAGE)
@pytest.mark.parametrize("headers", [{"If-None-Match": "*"}, {"If-Match": '"7"'}, {"Range": "bytes=0-0"}])
def test_conditions_and_ranges_tell_no_more(
    secret: Json, api: httpx.Client, method: str, rule: str, headers: dict[str, str]
) -> None:
    body = {"title": "mine"} if method in {"PUT", "PATCH"} else None
    assert api.request(method, path_of(rule, secret), json=body, headers=headers).status_code == 403


@pytest.mark.parametrize("query", ["redirect=true", "encoding=base64", "download=true"])
def test_no_form_of_download_gives_it(secret: Json, api: httpx.Client, query: str) -> None:
    assert_problem(api.get(f"{IMAGES}/{secret['image_id']}?{query}"), 403, "not_owner")


@pytest.mark.parametrize(("method", "path"), OF_THE_CALLER)
def test_lists_are_of_the_callers_images(secret: Json, api: httpx.Client, method: str, path: str) -> None:
    assert api.request(method, path).json() == OF_THE_CALLER[method, path]


@pytest.mark.parametrize(
    "query", ["tags=hidden", "q=plans", "title=plans", "title_prefix=pl", "filename=plans", "content_type=image/jpeg"]
)
def test_no_search_finds_it(secret: Json, api: httpx.Client, query: str) -> None:
    assert api.get(f"{IMAGES}?{query}").json()["images"] == []


def test_naming_the_owner_does_not_open_their_list(secret: Json, api: httpx.Client) -> None:
    assert_problem(api.get(IMAGES, params={"user_id": secret["user_id"]}), 403, "not_owner")


def test_a_cursor_of_another_is_refused(secret: Json, owner: httpx.Client, api: httpx.Client) -> None:
    upload(owner)
    cursor = owner.get(IMAGES, params={"limit": 1}).json()["next_cursor"]
    assert_problem(api.get(IMAGES, params={"limit": 1, "cursor": cursor}), 400, "invalid_cursor")


def test_a_batch_deletes_ones_own_images_only(secret: Json, owner: httpx.Client, api: httpx.Client) -> None:
    own = upload(api)["image_id"]
    answer = api.post(f"{IMAGES}/batch-delete", json={"image_ids": [secret["image_id"], own]})
    assert answer.json() == {
        "results": [
            {"image_id": secret["image_id"], "status": "not_owner"},
            {"image_id": own, "status": "deleted"},
        ]
    }
    assert owner.get(f"{IMAGES}/{secret['image_id']}").status_code == 200


@pytest.mark.parametrize(("method", "path"), sorted(CREATING))
@pytest.mark.parametrize("field", ["user_id", "image_id", "object_key"])
def test_nothing_is_made_in_the_name_of_another(api: httpx.Client, method: str, path: str, field: str) -> None:
    body = {"filename": "a.jpg", "content_type": "image/jpeg", "file_size": 1, "image_data": "eA==", field: "x"}
    problem = assert_problem(api.request(method, path, json=body), 400, "invalid_request", *fields(path, field))
    assert problem["errors"]


def fields(path: str, field: str) -> list[str]:
    """What is wrong with the body: the field, and what belongs to the other kind of upload."""
    foreign = ["image_data"] if path == UPLOADS else ["content_type", "file_size"]
    return [*foreign, field]


def test_an_idempotency_key_of_another_gives_nothing(secret: Json, owner: httpx.Client, api: httpx.Client) -> None:
    body = {"filename": "plans.jpg", "content_type": "image/jpeg", "file_size": 1000}
    first, second = (client.post(UPLOADS, json=body, headers={"Idempotency-Key": "k"}) for client in (owner, api))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["image"]["image_id"] != second.json()["image"]["image_id"]
