from typing import Any

import httpx
import pytest

from tests.contract.conftest import Connect
from tests.contract.steps import IMAGES, assert_problem, upload
from tests.samples import picture


def ids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["count"] == len(body["images"])
    return [image["image_id"] for image in body["images"]]


def walk(api: httpx.Client, **query: Any) -> list[list[str]]:
    """All pages, by the Link header, which must agree with the cursor."""
    response = api.get(IMAGES, params=query)
    pages = [ids(response)]
    while (cursor := response.json()["next_cursor"]) is not None:
        assert response.links["next"]["url"].endswith(f"cursor={cursor}")
        response = api.get(response.links["next"]["url"])
        pages.append(ids(response))
    assert "Link" not in response.headers
    return pages


@pytest.fixture
def library(api: httpx.Client) -> list[dict[str, Any]]:
    """Seven images, oldest first; every other one is a PNG."""
    kinds = ["JPEG", "PNG", "JPEG", "PNG", "JPEG", "PNG", "JPEG"]
    return [upload(api, picture(kind), title=f"image {number}") for number, kind in enumerate(kinds)]


def test_newest_come_first_and_the_default_page_has_ten(api: httpx.Client, library: list[Any]) -> None:
    newest_first = [image["image_id"] for image in reversed(library)]
    assert ids(api.get(IMAGES)) == newest_first
    assert ids(api.get(IMAGES, params={"order": "asc"})) == newest_first[::-1]
    for _ in range(4):
        upload(api)
    assert [len(page) for page in walk(api)] == [10, 1]


def test_an_image_in_a_list_is_the_resource(api: httpx.Client) -> None:
    image = upload(api, title="T", tags="x")
    assert api.get(IMAGES).json()["images"] == [image]


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 100])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_walking_shows_every_image_once_in_full_pages(
    api: httpx.Client, library: list[Any], limit: int, order: str
) -> None:
    pages = walk(api, limit=limit, order=order)
    expected = [image["image_id"] for image in library]
    assert [found for page in pages for found in page] == (expected if order == "asc" else expected[::-1])
    assert all(len(page) == limit for page in pages[:-1])


def test_walking_shows_what_stays_while_others_come_and_go(api: httpx.Client, library: list[Any]) -> None:
    first = api.get(IMAGES, params={"limit": 3}).json()
    upload(api)
    api.delete(f"{IMAGES}/{library[4]['image_id']}")  # the last one of the first page
    api.delete(f"{IMAGES}/{library[3]['image_id']}")  # the next one
    rest = api.get(IMAGES, params={"limit": 100, "cursor": first["next_cursor"]})
    assert ids(rest) == [library[2]["image_id"], library[1]["image_id"], library[0]["image_id"]]


def test_a_type_can_be_asked_for(api: httpx.Client, library: list[Any]) -> None:
    pngs = [image["image_id"] for image in library if image["content_type"] == "image/png"]
    assert walk(api, content_type="image/png", order="asc", limit=2) == [pngs[:2], pngs[2:]]
    assert ids(api.get(IMAGES, params={"content_type": "image/webp"})) == []


def test_a_time_range_includes_its_start_and_excludes_its_end(api: httpx.Client, library: list[Any]) -> None:
    query = {"created_after": library[2]["created_at"], "created_before": library[5]["created_at"], "order": "asc"}
    assert ids(api.get(IMAGES, params=query)) == [image["image_id"] for image in library[2:5]]
    assert walk(api, **query, limit=1) == [[image["image_id"]] for image in library[2:5]]
    assert ids(api.get(IMAGES, params={"created_before": "2001-01-01"})) == []
    assert len(ids(api.get(IMAGES, params={"created_after": "2001-01-01", "status": "UPLOADED"}))) == 7


def test_conditions_combine(api: httpx.Client, library: list[Any]) -> None:
    query = {"created_after": library[2]["created_at"], "content_type": "image/png", "order": "asc"}
    assert ids(api.get(IMAGES, params=query)) == [library[3]["image_id"], library[5]["image_id"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "101"),
        ("limit", "abc"),
        ("limit", "1000000000"),
        ("limit", ""),
        ("limit", "1_0"),
        ("limit", "5.0"),
        ("limit", "+5"),
        ("limit", " 5"),
        ("limit", "\uff15"),
        ("limit", "9" * 3000),
        ("order", "up"),
        ("created_after", "yesterday"),
        ("created_before", "2026-02-30"),
        ("status", "LOST"),
        ("nonsense", "1"),
    ],
)
def test_a_bad_parameter_is_named(api: httpx.Client, field: str, value: str) -> None:
    assert_problem(api.get(IMAGES, params={field: value}), 400, "invalid_request", field)


@pytest.mark.parametrize(
    ("query", "field"), [("content_type=%ff", "content_type"), ("limit=5&x=%C3", "x"), ("%ff=1", "\ufffd")]
)
def test_a_parameter_that_is_not_utf8_is_named(api: httpx.Client, query: str, field: str) -> None:
    assert_problem(api.get(f"{IMAGES}?{query}"), 400, "invalid_request", field)


def test_a_parameter_given_twice_is_refused(api: httpx.Client) -> None:
    assert_problem(api.get(f"{IMAGES}?limit=1&limit=2"), 400, "invalid_request", "limit")


def test_a_cursor_is_bound_to_its_user_and_filters(api: httpx.Client, stranger: httpx.Client) -> None:
    for _ in range(2):
        upload(api)
    cursor = api.get(IMAGES, params={"limit": 1}).json()["next_cursor"]
    assert len(cursor) < 150
    changed = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    assert_problem(stranger.get(IMAGES, params={"cursor": cursor}), 400, "invalid_cursor")
    assert_problem(api.get(IMAGES, params={"cursor": cursor, "order": "asc"}), 400, "invalid_cursor")
    assert_problem(api.get(IMAGES, params={"cursor": cursor, "content_type": "image/png"}), 400, "invalid_cursor")
    assert_problem(api.get(IMAGES, params={"cursor": changed}), 400, "invalid_cursor")
    assert_problem(api.get(IMAGES, params={"cursor": "🏖"}), 400, "invalid_cursor")
    assert_problem(api.get(IMAGES, params={"cursor": ""}), 400, "invalid_cursor")
    assert len(ids(api.get(IMAGES, params={"cursor": cursor, "limit": 50}))) == 1


def test_download_urls_are_the_same_string_in_every_answer(api: httpx.Client, connect: Connect) -> None:
    image = upload(api)
    again = api.get(f"{IMAGES}/{image['image_id']}/metadata").json()
    listed = api.get(IMAGES).json()["images"][0]
    assert len({it["download_url"] for it in (image, again, listed)}) < 3  # two, if a time slot ends in between


def test_a_parameter_with_a_slip_in_its_name_is_refused_with_the_one_that_was_meant(api: httpx.Client) -> None:
    problem = api.get(IMAGES, params={"tag": "sea"}).json()
    assert problem["errors"] == [{"field": "tag", "message": "is not known; did you mean tags?"}]
