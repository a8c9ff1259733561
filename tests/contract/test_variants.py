"""GET /images/{id}/thumbnail, and the links that an <img> can show."""

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import httpx
import pytest
from PIL import Image as Pillow

from tests.contract.conftest import Connect
from tests.contract.steps import IMAGES, UPLOADS, Json, assert_problem, upload
from tests.samples import FORMATS, picture, with_orientation
from tests.server import RunningService

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI_13 = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"


@pytest.fixture
def image(api: httpx.Client) -> Json:
    return upload(api, picture(size=(800, 600)), filename="Zürich.jpeg")


@pytest.fixture
def path(image: Json) -> str:
    return f"{IMAGES}/{image['image_id']}/thumbnail"


def shown(response: httpx.Response) -> Pillow.Image:
    assert response.status_code == 200, response.text
    seen = Pillow.open(io.BytesIO(response.content))
    seen.load()
    assert response.headers["Content-Type"] == f"image/{str(seen.format).lower()}"
    assert response.headers["Content-Length"] == str(len(response.content))
    return seen


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({}, (256, 192)),
        ({"width": 64}, (64, 48)),
        ({"width": 65}, (128, 96)),
        ({"width": 1}, (64, 48)),
        ({"width": 2048}, (800, 600)),
        ({"height": 128}, (171, 128)),
        ({"width": 128, "height": 64}, (85, 64)),
        ({"width": 128, "height": 128, "fit": "cover"}, (128, 128)),
        ({"width": 128, "height": 64, "fit": "cover", "crop": "attention"}, (128, 64)),
        ({"width": 1024, "height": 1024, "fit": "cover"}, (600, 600)),
        ({"width": 128, "fit": "cover"}, (128, 96)),
        ({"preset": "avatar"}, (128, 128)),
        ({"preset": "card"}, (512, 384)),
    ],
)
def test_sizes_are_exact_and_never_larger_than_the_image(
    api: httpx.Client, path: str, asked: dict[str, str], size: tuple[int, int]
) -> None:
    assert shown(api.get(path, params=asked)).size == size


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif", "png"])
def test_the_format_asked_for_comes(api: httpx.Client, path: str, format: str) -> None:
    response = api.get(path, params={"format": format}, headers={"Accept": "image/gif"})
    assert shown(response).format == format.upper()
    assert "Vary" not in response.headers


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        (CHROME, "AVIF"),
        ("image/webp,*/*", "WEBP"),
        ("image/avif;q=0,image/webp,*/*", "WEBP"),
        ("image/avif;q=0.5,image/webp;q=0.9,image/jpeg;q=0.1", "WEBP"),
        ("image/webp;q=0.5,image/jpeg", "JPEG"),
        ("*/*", "JPEG"),
        ("image/*", "JPEG"),
        ("", "JPEG"),
        ("image/png", "PNG"),
        ("text/html", "JPEG"),
        ("not a header", "JPEG"),
    ],
)
def test_the_format_is_what_the_client_takes_best(api: httpx.Client, path: str, accept: str, format: str) -> None:
    response = api.get(path, headers={"Accept": accept})
    assert shown(response).format == format
    assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize(("kind", "format"), [("PNG", "PNG"), ("GIF", "PNG"), ("WEBP", "WEBP"), ("JPEG", "JPEG")])
def test_who_takes_anything_gets_the_kind_of_the_original(api: httpx.Client, kind: str, format: str) -> None:
    image = upload(api, picture(kind, (300, 200)))
    assert shown(api.get(f"{IMAGES}/{image['image_id']}/thumbnail", headers={"Accept": "*/*"})).format == format


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_moves_where_it_can(api: httpx.Client, kind: str) -> None:
    image = upload(api, picture(kind, (300, 200), frames=3))
    path = f"{IMAGES}/{image['image_id']}/thumbnail"
    assert getattr(shown(api.get(path, headers={"Accept": CHROME})), "n_frames", 1) == 3
    assert getattr(shown(api.get(path, params={"format": "png"})), "n_frames", 1) == 1


def test_large_variants_are_not_made_as_avif_unless_asked_for(api: httpx.Client) -> None:
    image = upload(api, picture(size=(1600, 1200)))
    path = f"{IMAGES}/{image['image_id']}/thumbnail"
    assert shown(api.get(path, params={"width": 2048}, headers={"Accept": CHROME})).format == "WEBP"
    assert shown(api.get(path, params={"width": 2048, "format": "avif"})).format == "AVIF"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_variants_are_upright(api: httpx.Client, orientation: int) -> None:
    image = upload(api, with_orientation(orientation, (640, 480)))
    seen = shown(api.get(f"{IMAGES}/{image['image_id']}/thumbnail", params={"width": 64}))
    assert seen.size == ((64, 85) if orientation >= 5 else (64, 48))


def test_the_headers(api: httpx.Client, path: str) -> None:
    response = api.get(path)
    expected = {
        "Content-Type": "image/jpeg",
        "Content-Disposition": "inline; filename*=UTF-8''Z%C3%BCrich.jpg",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Vary": "Accept",
    }
    assert {name: response.headers.get(name) for name in expected} == expected
    assert re.fullmatch(r'"[0-9a-f]{32}"', response.headers["ETag"])


def test_head_is_get_without_the_body(api: httpx.Client, path: str) -> None:
    head, get = api.head(path), api.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Content-Disposition", "ETag", "Cache-Control", "Vary"):
        assert head.headers[name] == get.headers[name]


def test_each_variant_has_a_tag_of_its_own_and_keeps_it(api: httpx.Client, image: Json, path: str) -> None:
    asked: list[dict[str, Any]] = [{}, {"width": 64}, {"format": "png"}, {"quality": 10}, {"preset": "avatar"}]
    tags = [api.get(path, params=one).headers["ETag"] for one in asked]
    assert len({*tags, f'"{image["sha256"]}"'}) == len(asked) + 1
    assert [api.get(path, params=one).headers["ETag"] for one in asked] == tags
    assert api.get(path, headers={"Accept": CHROME}).headers["ETag"] != tags[0]


def test_what_the_client_has_is_not_sent_again(api: httpx.Client, path: str) -> None:
    tag = api.get(path).headers["ETag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}'):
        again = api.get(path, headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert (again.headers["Cache-Control"], again.headers["Vary"]) == ("private, no-cache", "Accept")
    assert api.get(path, headers={"If-None-Match": tag}, params={"width": 64}).status_code == 200
    assert api.get(path, headers={"If-None-Match": tag, "Accept": CHROME}).status_code == 200


def test_a_second_answer_is_the_first(api: httpx.Client, path: str) -> None:
    assert api.get(path).content == api.get(path).content


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"width": "0"}, "width"),
        ({"width": "-1"}, "width"),
        ({"width": "2049"}, "width"),
        ({"width": "1e2"}, "width"),
        ({"width": ""}, "width"),
        ({"height": "99999999999999999999999"}, "height"),
        ({"fit": "fill"}, "fit"),
        ({"crop": "left"}, "crop"),
        ({"format": "gif"}, "format"),
        ({"quality": "0"}, "quality"),
        ({"quality": "101"}, "quality"),
        ({"preset": "poster"}, "preset"),
        ({"preset": "avatar", "width": "64"}, "width"),
        ({"nonsense": "1"}, "nonsense"),
    ],
)
def test_bad_parameters_are_named(api: httpx.Client, path: str, asked: dict[str, str], field: str) -> None:
    assert_problem(api.get(path, params=asked), 400, "invalid_request", field)


def test_only_the_owner_may_ask(api: httpx.Client, stranger: httpx.Client, nobody: httpx.Client, path: str) -> None:
    assert api.get(path).status_code == 200
    assert_problem(stranger.get(path), 403, "not_owner")
    assert_problem(nobody.get(path), 401, "missing_user")
    assert_problem(api.get(f"{IMAGES}/nonsense/thumbnail"), 404, "image_not_found")


def test_there_is_none_of_an_image_that_has_not_arrived(api: httpx.Client) -> None:
    announced = {"filename": "a.png", "content_type": "image/png", "file_size": 7}
    pending = api.post(UPLOADS, json=announced).json()["image"]
    assert pending["thumbnail_url"] is None
    assert_problem(api.get(f"{IMAGES}/{pending['image_id']}/thumbnail"), 404, "image_not_found")
    assert "srcset" not in api.get(f"{IMAGES}/{pending['image_id']}/metadata", params={"srcset": "true"}).json()


def test_there_is_none_of_an_image_that_was_deleted(api: httpx.Client, nobody: httpx.Client, image: Json) -> None:
    path = f"{IMAGES}/{image['image_id']}"
    assert api.get(f"{path}/thumbnail").status_code == nobody.get(image["thumbnail_url"]).status_code == 200
    assert api.delete(path).status_code == 200
    assert_problem(api.get(f"{path}/thumbnail"), 404, "image_not_found")
    assert_problem(nobody.get(image["thumbnail_url"]), 404, "image_not_found")


def test_a_link_shows_its_variant_to_anybody(nobody: httpx.Client, image: Json) -> None:
    url = image["thumbnail_url"]
    assert url.startswith("/api/v1/thumbnails/")
    response = nobody.get(url)
    assert shown(response).size == (256, 192)
    caching = re.fullmatch(r"private, max-age=([0-9]+), immutable", response.headers["Cache-Control"])
    assert caching is not None
    assert 43_000 < int(caching[1]) <= 86_400
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["Vary"] == "Accept"
    assert shown(nobody.get(url, headers={"Accept": CHROME})).format == "AVIF"
    assert nobody.head(url).headers["Content-Length"] == response.headers["Content-Length"]
    again = nobody.get(url, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.headers["Cache-Control"][:16]) == (304, "private, max-age")
    for answer in (response, again):  # or no <img> on a page of another origin would show it
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_a_link_is_the_same_in_all_answers(api: httpx.Client, image: Json) -> None:
    url = image["thumbnail_url"]
    assert api.get(f"{IMAGES}/{image['image_id']}/metadata").json()["thumbnail_url"] == url
    assert api.get(IMAGES).json()["images"][0]["thumbnail_url"] == url


def test_srcset_names_the_sizes_there_are(api: httpx.Client, nobody: httpx.Client, image: Json) -> None:
    assert "srcset" not in image
    for answer in (
        api.get(f"{IMAGES}/{image['image_id']}/metadata", params={"srcset": "true"}).json(),
        api.get(IMAGES, params={"srcset": "true"}).json()["images"][0],
    ):
        entries = [entry.split(" ") for entry in answer["srcset"].split(", ")]
        assert [width for _, width in entries] == ["64w", "128w", "256w", "512w", "800w"]
        for url, width in entries:
            assert f"{shown(nobody.get(url)).width}w" == width


def altered(url: str, image: Json, other: Json) -> Iterator[str]:
    yield url[:-1] + ("A" if url[-1] != "A" else "B")
    yield url.replace("/256x-", "/512x-")
    yield url.replace(".auto", ".png")
    yield url.replace("expires=", "expires=1")
    yield url.replace(image["image_id"], other["image_id"])
    yield url.replace(image["sha256"][:12], other["sha256"][:12])
    yield url.replace("signature=", "signature=%C3%A4")
    yield url.replace("256x-contain-q80.auto", "nonsense")


def test_an_altered_link_shows_nothing(api: httpx.Client, nobody: httpx.Client, image: Json) -> None:
    other = upload(api, picture(seed=5))
    for url in altered(image["thumbnail_url"], image, other):
        assert url != image["thumbnail_url"]
        assert_problem(nobody.get(url), 403, "invalid_link")


@pytest.mark.parametrize("left_out", ["v", "expires", "signature"])
def test_a_link_without_its_parts_is_refused(nobody: httpx.Client, image: Json, left_out: str) -> None:
    url = httpx.URL(image["thumbnail_url"]).copy_remove_param(left_out)
    assert_problem(nobody.get(url), 400, "invalid_request", left_out)


def test_the_document_describes_both_routes(nobody: httpx.Client) -> None:
    paths = nobody.get("/openapi.json").json()["paths"]
    asked = paths[f"{IMAGES}/{{image_id}}/thumbnail"]
    assert asked.keys() == {"get", "head"}
    parameters = {one["name"]: one["schema"] for one in asked["get"]["parameters"]}
    assert parameters["width"]["maximum"] == 2048
    assert parameters["preset"]["enum"] == ["avatar", "card"]
    assert set(asked["get"]["responses"]["200"]["content"]) == {
        f"image/{one}" for one in ("jpeg", "webp", "avif", "png")
    }
    linked = paths["/api/v1/thumbnails/{image_id}/{spec_name}"]["get"]
    assert "security" not in linked
    assert "invalid_link" in linked["responses"]["403"]["description"]


def test_the_limits_name_sizes_and_presets(nobody: httpx.Client) -> None:
    limits = nobody.get("/api/v1/limits").json()
    assert limits["variant_sizes"] == [64, 128, 256, 512, 1024, 2048]
    assert limits["variant_qualities"] == [50, 65, 80, 90]
    assert limits["variant_formats"] == ["jpeg", "webp", "avif", "png"]
    assert limits["variant_presets"] == ["avatar", "card"]


@pytest.fixture
def bucket(server: RunningService) -> Any:
    s3 = boto3.resource(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    return s3.Bucket(server.environment["S3_BUCKET"])


def test_a_variant_is_made_once_for_many_at_once_on_the_server(server: RunningService, user: str, bucket: Any) -> None:
    with server.client(user) as api:
        image = upload(api, picture(size=(2000, 1500)))
        path = f"{IMAGES}/{image['image_id']}/thumbnail"
        with ThreadPoolExecutor(12) as pool:
            widths = [64, 128, 256, 512, 1024, 2000] * 4
            answers = list(pool.map(lambda width: api.get(path, params={"width": width}), widths))
        by_width: dict[int, set[bytes]] = {}
        for width, answer in zip(widths, answers, strict=True):
            assert shown(answer).width == width
            by_width.setdefault(width, set()).add(answer.content)
        assert {width: len(contents) for width, contents in by_width.items()} == dict.fromkeys(by_width, 1)
        prefix = f"variants/{image['image_id']}/"
        kept = {found.key.removeprefix(prefix) for found in bucket.objects.filter(Prefix=prefix)}
        assert kept == {f"{width}x{width * 3 // 4}-q80.jpeg" for width in by_width}
        assert api.delete(f"{IMAGES}/{image['image_id']}").status_code == 200
        assert not list(bucket.objects.filter(Prefix=prefix))


def test_deleting_many_takes_their_variants_along_on_the_server(server: RunningService, user: str, bucket: Any) -> None:
    with server.client(user) as api:
        ids = [upload(api, picture(seed=seed))["image_id"] for seed in range(3)]
        for image_id in ids:
            shown(api.get(f"{IMAGES}/{image_id}/thumbnail", params={"width": 64}))
        answer = api.post(f"{IMAGES}/batch-delete", json={"image_ids": ids}).json()
        assert {result["status"] for result in answer["results"]} == {"deleted"}
        for image_id in ids:
            assert not list(bucket.objects.filter(Prefix=f"variants/{image_id}/"))


@pytest.mark.parametrize("kind", FORMATS)
def test_what_hides_behind_a_file_stays_behind(connect: Connect, user: str, kind: str) -> None:
    with connect(user) as api:
        image = upload(api, picture(kind, (300, 200)) + b"<script>alert(1)</script>PK\x03\x04secret")
        for format in ("jpeg", "webp", "avif", "png"):
            content = api.get(f"{IMAGES}/{image['image_id']}/thumbnail", params={"format": format}).content
            assert b"script" not in content
            assert b"secret" not in content
