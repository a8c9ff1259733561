"""The filters of the list, over HTTP; tests/unit/test_query.py holds them against an oracle."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.contract.steps import IMAGES, assert_problem, upload
from tests.contract.test_list import ids, walk
from tests.samples import picture
from tests.server import RunningService

TAGS = "/api/v1/tags"


@pytest.fixture
def library(api: httpx.Client) -> dict[str, str]:
    """Images by a name of their own, oldest first."""
    images: list[tuple[str, dict[str, Any]]] = [
        ("sea", {"title": "Sea", "tags": "Sea, sun", "location": "Roma Termini", "filename": "IMG_1.jpg"}),
        ("seaside", {"title": "sea side", "tags": "sun", "description": "A café by the beach"}),
        ("strasse", {"title": "Straße", "tags": "city,night sky", "filename": "Köln.jpg"}),
        ("forest", {"title": "Forest", "tags": "tree", "location": "Bergen", "filename": "forest.jpg"}),
        ("plain", {}),
    ]
    return {name: upload(api, picture(), **fields)["image_id"] for name, fields in images}


FOUND: list[tuple[dict[str, Any], str]] = [
    ({"tags": "sun"}, "seaside sea"),
    ({"tags": "SUN"}, "seaside sea"),
    ({"tags": "tree,sea"}, "forest sea"),
    ({"tags": ["tree", "sea"]}, "forest sea"),
    ({"tags": "sun,sea", "tag_match": "all"}, "sea"),
    ({"tags": "sun,tree", "tag_match": "all"}, ""),
    ({"tags": "night sky"}, "strasse"),
    ({"title": "SEA"}, "sea"),
    ({"title": "strasse"}, "strasse"),
    ({"title_prefix": "s"}, "sea seaside strasse"),
    ({"title_prefix": "s", "order": "desc"}, "strasse seaside sea"),
    ({"title_prefix": "sea "}, "seaside"),
    ({"title_contains": "EA"}, "seaside sea"),
    ({"filename": "img_"}, "sea"),
    ({"location": "ERM"}, "sea"),
    ({"q": "sea"}, "seaside sea"),
    ({"q": "CAFE beach"}, "seaside"),
    ({"q": "koln"}, "strasse"),
    ({"q": "forest jpg"}, "forest"),
    ({"q": "night"}, "strasse"),
    ({"q": "bergen tree"}, "forest"),
    ({"q": "forest sea"}, ""),
    ({"q": "fores"}, ""),
    ({"q": "sea", "tags": "sun", "title_contains": "side", "order": "asc"}, "seaside"),
    ({"tags": "sun", "title_prefix": "sea s"}, "seaside"),
    ({"tags": "sun", "location": "roma", "content_type": "image/jpeg"}, "sea"),
    ({"tags": "sun", "content_type": "image/png"}, ""),
    ({"status": "PENDING_UPLOAD"}, ""),
]


@pytest.mark.parametrize(("query", "names"), FOUND, ids=str)
def test_a_filter_finds(api: httpx.Client, library: dict[str, str], query: dict[str, Any], names: str) -> None:
    expected = [library[name] for name in names.split()]
    assert ids(api.get(IMAGES, params=query)) == expected
    assert [found for page in walk(api, **query, limit=1) for found in page] == expected


def test_what_was_acknowledged_is_found_at_once_and_what_was_edited_away_is_not(api: httpx.Client) -> None:
    image = upload(api, title="Old words", tags="before")
    found = [image["image_id"]]
    assert ids(api.get(IMAGES, params={"tags": "before", "q": "old"})) == found
    api.patch(f"{IMAGES}/{found[0]}", json={"title": "New words", "tags": ["after"]})
    assert ids(api.get(IMAGES, params={"tags": "after", "q": "new words"})) == found
    for gone in ({"tags": "before"}, {"q": "old"}, {"title": "old words"}):
        assert ids(api.get(IMAGES, params=gone)) == []
    api.delete(f"{IMAGES}/{found[0]}")
    assert ids(api.get(IMAGES, params={"tags": "after"})) == []


def test_all_words_of_a_long_description_count(api: httpx.Client) -> None:
    text = " ".join(f"w{number}" for number in range(80))
    upload(api, title="Beach", tags="sea", location="Rome", description=text)
    for query in ("w0", "w79", "sea rome beach w42"):
        assert api.get(IMAGES, params={"q": query}).json()["count"] == 1, query


def test_all_letters_of_a_long_word_count(api: httpx.Client) -> None:
    upload(api, title="a" * 49 + "XY")
    found = {end: api.get(IMAGES, params={"q": "a" * 49 + end}).json()["count"] for end in ("xy", "xz", "", "xyz")}
    assert found == {"xy": 1, "xz": 0, "": 0, "xyz": 0}


def test_an_edit_of_everything_leaves_only_what_the_image_has_now(api: httpx.Client) -> None:
    """More postings go and come than fit into one transaction."""

    def texts(name: str) -> dict[str, Any]:
        return {
            "tags": [f"{name}tag{number}" for number in range(20)],
            "description": " ".join(f"{name}word{number}" for number in range(45)),
        }

    image_id = upload(api, **texts("old") | {"tags": ",".join(texts("old")["tags"])})["image_id"]
    assert ids(api.get(IMAGES, params={"q": "oldword16"})) == [image_id]
    assert api.patch(f"{IMAGES}/{image_id}", json=texts("new")).status_code == 200
    assert api.get(TAGS, params={"limit": 100}).json()["tags"] == sorted(texts("new")["tags"])
    assert ids(api.get(IMAGES, params={"q": "newword16", "tags": "newtag0,newtag19", "tag_match": "all"})) == [image_id]
    for gone in ({"q": "oldword16"}, {"q": "oldtag1"}, {"tags": "oldtag3"}):
        answer = api.get(IMAGES, params=gone | {"explain": "true"}).json()
        assert answer["images"] == []
        assert answer["plan"]["postings_read"] == 0


def test_edits_at_once_end_with_the_postings_of_the_one_that_won(server: RunningService, user: str) -> None:
    with server.client(user) as api:
        image_id = upload(api, tags="start")["image_id"]

        def edit(number: int) -> int:
            with server.client(user) as own:
                return own.patch(f"{IMAGES}/{image_id}", json={"tags": [f"tag{number}", "shared"]}).status_code

        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(edit, range(6))) == {200}
        tags = api.get(f"{IMAGES}/{image_id}/metadata").json()["tags"]
        assert sorted(tags) == api.get(TAGS).json()["tags"]
        assert ids(api.get(IMAGES, params={"tags": tags, "tag_match": "all"})) == [image_id]


def test_the_plan_can_be_seen(api: httpx.Client, library: dict[str, str]) -> None:
    def explained(**query: str) -> dict[str, Any]:
        plan: dict[str, Any] = api.get(IMAGES, params=query | {"explain": "true"}).json()["plan"]
        return plan

    joined = explained(q="sea", tags="sun,tree")
    assert (joined["index"], sorted(joined["lists"])) == ("postings", ["tag:sun", "tag:tree", "word:sea"])
    assert joined["rows_read"] == 2
    assert joined["requests"] >= 4
    assert joined["read_units"] > 0
    assert explained(title_prefix="s")["index"] == "user_id-title-index"
    assert explained()["index"] == "user_id-created_at-index"
    assert "plan" not in api.get(IMAGES).json()


def test_images_are_found_by_the_sha256_of_their_bytes(api: httpx.Client, stranger: httpx.Client) -> None:
    data = picture(seed=1)
    digest = hashlib.sha256(data).hexdigest()
    first = upload(api, data, tags="sea")["image_id"]
    upload(api, picture(seed=2), tags="sea")
    second = upload(api, data, title="Again")["image_id"]
    theirs = upload(stranger, data)["image_id"]
    assert ids(api.get(IMAGES, params={"sha256": digest})) == [second, first]
    assert ids(api.get(IMAGES, params={"sha256": digest.upper(), "order": "asc"})) == [first, second]
    assert walk(api, sha256=digest, limit=1) == [[second], [first]]
    assert ids(api.get(IMAGES, params={"sha256": digest, "tags": "sea"})) == [first]
    assert ids(api.get(IMAGES, params={"sha256": digest, "title_prefix": "ag"})) == [second]
    assert ids(api.get(IMAGES, params={"sha256": digest, "q": "again", "tags": "sea"})) == []
    assert ids(api.get(IMAGES, params={"sha256": "0" * 64})) == []
    assert ids(stranger.get(IMAGES, params={"sha256": digest})) == [theirs]
    plan = api.get(IMAGES, params={"sha256": digest, "explain": "true"}).json()["plan"]
    assert (plan["index"], plan["lists"], plan["postings_read"]) == ("postings", [f"sha256:{digest}"], 2)
    api.patch(f"{IMAGES}/{first}", json={"title": "Other", "tags": []})
    api.delete(f"{IMAGES}/{second}")
    assert ids(api.get(IMAGES, params={"sha256": digest})) == [first]


def test_tags_in_use_are_listed_in_order(api: httpx.Client, library: dict[str, str], stranger: httpx.Client) -> None:
    assert api.get(TAGS).json() == {"tags": ["city", "night sky", "sea", "sun", "tree"]}
    assert api.get(TAGS, params={"limit": 2}).json() == {"tags": ["city", "night sky"]}
    assert api.get(TAGS, params={"prefix": "S"}).json() == {"tags": ["sea", "sun"]}
    assert api.get(TAGS, params={"prefix": "x"}).json() == {"tags": []}
    assert "sea" not in stranger.get(TAGS).json()["tags"]
    api.delete(f"{IMAGES}/{library['sea']}")
    assert "sea" not in api.get(TAGS).json()["tags"]


def test_one_user_finds_nothing_of_another(api: httpx.Client, library: dict[str, str], stranger: httpx.Client) -> None:
    for query in ({"tags": "sun"}, {"q": "sea"}, {"title": "sea"}, {"title_prefix": "s"}):
        assert not set(ids(stranger.get(IMAGES, params=query))) & set(library.values())


BAD: list[tuple[dict[str, Any], str]] = [
    ({"tags": ""}, "tags"),
    ({"tags": " , "}, "tags"),
    ({"tags": ",".join(map(str, range(21)))}, "tags"),
    ({"tag_match": "some"}, "tag_match"),
    ({"title": " "}, "title"),
    ({"title": "x" * 2000}, "title"),
    ({"title_prefix": ""}, "title_prefix"),
    ({"title_contains": ""}, "title_contains"),
    ({"filename": ""}, "filename"),
    ({"location": "x" * 2000}, "location"),
    ({"q": ""}, "q"),
    ({"q": "?!"}, "q"),
    ({"q": "\U0001f600"}, "q"),
    ({"q": " ".join(map(str, range(11)))}, "q"),
    ({"q": ["a", "b"]}, "q"),
    ({"sha256": ""}, "sha256"),
    ({"sha256": "0" * 63}, "sha256"),
    ({"sha256": "0" * 65}, "sha256"),
    ({"sha256": "g" * 64}, "sha256"),
    ({"sha256": "0" * 64 + "\n"}, "sha256"),
    ({"sha256": ["0" * 64, "0" * 64]}, "sha256"),
    ({"status": "DELETING"}, "status"),
    ({"status": "uploaded"}, "status"),
    ({"order": "title"}, "order"),
    ({"explain": "perhaps"}, "explain"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("query", "field"), BAD, ids=lambda value: str(value)[:40])
def test_bad_parameters_are_named(api: httpx.Client, query: dict[str, Any], field: str) -> None:
    problem = assert_problem(api.get(IMAGES, params=query), 400, "invalid_request", *[field])
    assert problem["errors"][0]["message"]


@pytest.mark.parametrize(
    ("query", "field"), [({"limit": "0"}, "limit"), ({"limit": "101"}, "limit"), ({"x": "1"}, "x")]
)
def test_bad_parameters_of_tags_are_named(api: httpx.Client, query: dict[str, str], field: str) -> None:
    assert_problem(api.get(TAGS, params=query), 400, "invalid_request", field)


@pytest.mark.parametrize(
    "term", ["\u05e9\u05dc\u05d5\u05dd", "e\u0301", "\u202eabc", "a\x00b", "\x1f", "%", "_", "'", "#:|"]
)
def test_unusual_terms_are_looked_for(api: httpx.Client, term: str) -> None:
    image_id = upload(api, title=f"x{term}y", tags=f"t{term}")["image_id"]
    assert ids(api.get(IMAGES, params={"title_contains": term})) == [image_id]
    assert ids(api.get(IMAGES, params={"title": f"X{term}Y"})) == [image_id]
    assert ids(api.get(IMAGES, params={"title_prefix": f"X{term}"})) == [image_id]
    assert ids(api.get(IMAGES, params={"tags": f"t{term}"})) == [image_id]
    assert ids(api.get(IMAGES, params={"filename": term})) == []


def test_a_cursor_is_good_for_its_own_filters_only(api: httpx.Client, library: dict[str, str]) -> None:
    cursor = api.get(IMAGES, params={"tags": "sun", "limit": 1}).json()["next_cursor"]
    assert len(ids(api.get(IMAGES, params={"tags": "sun", "cursor": cursor}))) == 1
    changes: list[dict[str, str]] = [{"tag_match": "all"}, {"order": "asc"}, {"sha256": "0" * 64}]
    for other in ({}, {"tags": "sea"}, *({"tags": "sun"} | change for change in changes)):
        assert_problem(api.get(IMAGES, params={**other, "cursor": cursor}), 400, "invalid_cursor")


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, name) for name in ("title", "title_prefix", "title_contains", "filename", "location", "q")]
    + [("tags", "tags.0")],
)
def test_a_term_of_10_kilobytes_is_refused_by_its_name(api: httpx.Client, name: str, field: str) -> None:
    assert_problem(api.get(IMAGES, params={name: "a" * 10_000}), 400, "invalid_request", field)


def test_a_tag_is_as_long_as_a_key_may_be_at_most(api: httpx.Client) -> None:
    """DynamoDB refuses longer keys; LocalStack's does so for those to sort by only."""
    for length in (255, 256, 700):
        prefixed = api.get("/api/v1/tags", params={"prefix": "あ" * length})
        assert (prefixed.status_code, prefixed.json()["tags"]) == (200, [])
    assert ids(api.get(IMAGES, params={"tags": "あ" * 255})) == []
    assert_problem(api.get(IMAGES, params={"tags": "あ" * 256}), 400, "invalid_request", "tags.0")
