import httpx
import pytest

from tests.contract.conftest import Connect
from tests.contract.steps import IMAGES, assert_problem, upload
from tests.server import RunningService

ID = "3d8e1c1e-7f0f-4f0e-9d6e-2b1f6f0c9a11"
ROUTES = [
    ("POST", f"{IMAGES}/upload"),
    ("POST", IMAGES),
    ("GET", IMAGES),
    ("GET", f"{IMAGES}/{ID}"),
    ("GET", f"{IMAGES}/{ID}/metadata"),
    ("PUT", f"{IMAGES}/{ID}"),
    ("PATCH", f"{IMAGES}/{ID}"),
    ("DELETE", f"{IMAGES}/{ID}"),
    ("POST", f"{IMAGES}/batch-delete"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_gets_in(nobody: httpx.Client, method: str, path: str) -> None:
    response = nobody.request(method, path)
    assert_problem(response, 401, "missing_user")
    assert "WWW-Authenticate" in response.headers


@pytest.mark.parametrize("user_id", ["a b", "a/b", "..", ".", "x" * 129, "a,b", ""])
def test_a_malformed_user_is_refused(nobody: httpx.Client, user_id: str) -> None:
    assert_problem(nobody.get(IMAGES, headers={"X-User-ID": user_id}), 400, "invalid_user")


def test_a_user_sent_twice_is_refused(server: RunningService) -> None:
    headers = [("X-User-ID", "alice"), ("X-User-ID", "alice")]
    with server.client() as nobody:
        assert_problem(nobody.get(IMAGES, headers=headers), 400, "invalid_user")


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("GET", "?redirect=true", None),
        ("GET", "?encoding=base64", None),
        ("GET", "/metadata", None),
        ("PUT", "", {"title": "mine"}),
        ("PATCH", "", {"title": "mine"}),
        ("DELETE", "", None),
    ],
)
def test_a_stranger_is_refused_and_changes_nothing(
    api: httpx.Client, stranger: httpx.Client, method: str, suffix: str, body: dict[str, str] | None
) -> None:
    image = upload(api, title="Secret plans")
    response = stranger.request(method, f"{IMAGES}/{image['image_id']}{suffix}", json=body)
    problem = assert_problem(response, 403, "not_owner")
    assert "Secret" not in str(problem)
    assert api.get(f"{IMAGES}/{image['image_id']}/metadata").json()["version"] == 1


def test_head_tells_a_stranger_nothing(api: httpx.Client, stranger: httpx.Client) -> None:
    image = upload(api)
    response = stranger.head(f"{IMAGES}/{image['image_id']}")
    assert (response.status_code, response.content) == (403, b"")
    assert "ETag" not in response.headers


def test_a_list_shows_the_callers_images_only(api: httpx.Client, connect: Connect, user: str) -> None:
    upload(api)
    with connect(user[:-1]) as other:  # a user whose id is the beginning of another's
        assert other.get(IMAGES).json() == {"images": [], "count": 0, "next_cursor": None}
    assert api.get(IMAGES, params={"user_id": user}).json()["count"] == 1
    assert_problem(api.get(IMAGES, params={"user_id": "stranger"}), 403, "not_owner")


@pytest.mark.parametrize("image_id", [ID, "nonsense", ID.upper(), "0", "%2e%2e", "f47ac10b-58cc-4372-a567-0e02b2c3d47"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_unknown_and_malformed_ids_are_not_found(api: httpx.Client, method: str, image_id: str) -> None:
    body = {"title": "x"} if method == "PATCH" else None
    assert_problem(api.request(method, f"{IMAGES}/{image_id}", json=body), 404, "image_not_found")
