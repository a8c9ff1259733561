import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image as Pillow

from app.times import parsed_timestamp
from tests.contract.conftest import Connect
from tests.contract.steps import IMAGES, assert_problem, upload
from tests.samples import FORMATS, base64_text, photo, picture, picture_of_bytes, sha256_base64

MAX_BYTES = 10 * 1024 * 1024


def multipart(api: httpx.Client, data: bytes) -> httpx.Response:
    return api.post(f"{IMAGES}/upload", files={"file": ("a.bin", data)}, data={"title": "T", "tags": "x,y"})


def raw(api: httpx.Client, data: bytes) -> httpx.Response:
    query = {"title": "T", "tags": "x,y", "filename": "a.bin"}
    return api.post(IMAGES, params=query, content=data, headers={"Content-Type": "application/octet-stream"})


def chunked(api: httpx.Client, data: bytes) -> httpx.Response:
    query = {"title": "T", "tags": "x,y", "filename": "a.bin"}
    pieces = (data[start : start + 5000] for start in range(0, len(data), 5000))
    return api.post(IMAGES, params=query, content=pieces, headers={"Content-Type": "image/png"})


def base64_json(api: httpx.Client, data: bytes) -> httpx.Response:
    body = {"image_data": base64_text(data), "filename": "a.bin", "title": "T", "tags": ["x", "y"]}
    return api.post(f"{IMAGES}/upload", json=body)


FORMS = [multipart, raw, chunked, base64_json]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("send", FORMS)
def test_every_form_and_format_gives_the_same_result(api: httpx.Client, user: str, send: Any, kind: str) -> None:
    data = picture(kind, (40, 30))
    response = send(api, data)
    assert response.status_code == 201, response.text
    image = response.json()
    assert response.headers["Location"].endswith(f"{IMAGES}/{image['image_id']}")
    assert response.headers["ETag"] == '"1"'
    now = datetime.now(UTC)
    assert now - timedelta(minutes=5) < parsed_timestamp(image["created_at"]) <= now + timedelta(seconds=5)
    assert image["created_at"] == image["updated_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", image["created_at"])
    for name in ("image_id", "created_at", "updated_at", "download_url", "url_expires_at", "thumbnail_url"):
        assert image.pop(name)
    assert image.pop("placeholder")
    assert image.pop("dominant_color")
    assert image == {
        "user_id": user,
        "filename": "a.bin",
        "title": "T",
        "description": None,
        "location": None,
        "tags": ["x", "y"],
        "frames": 1,
        "has_alpha": False,
        "captured_at": None,
        "content_type": FORMATS[kind],
        "file_size": len(data),
        "width": 40,
        "height": 30,
        "sha256": hashlib.sha256(data).hexdigest(),
        "status": "UPLOADED",
        "version": 1,
    }
    assert api.get(response.headers["Location"]).content == data


@pytest.mark.parametrize("send", FORMS)
def test_a_file_of_exactly_the_limit_is_stored(api: httpx.Client, send: Any) -> None:
    response = send(api, picture_of_bytes(MAX_BYTES))
    assert response.status_code == 201, response.text
    assert response.json()["file_size"] == MAX_BYTES


@pytest.mark.parametrize("send", FORMS)
def test_a_byte_more_than_the_limit_is_refused(api: httpx.Client, send: Any) -> None:
    assert_problem(send(api, picture_of_bytes(MAX_BYTES + 1)), 413, "image_too_large")
    assert api.get(IMAGES).json()["count"] == 0


@pytest.mark.parametrize("send", FORMS)
def test_no_bytes_are_no_image(api: httpx.Client, send: Any) -> None:
    response = send(api, b"")
    assert response.status_code == 400
    assert response.json()["code"] == "invalid_request"


@pytest.mark.parametrize("send", FORMS)
def test_what_is_no_image_is_refused_whatever_it_claims(api: httpx.Client, send: Any) -> None:
    assert_problem(send(api, b"<script>alert(1)</script>"), 415, "unsupported_image_type")
    assert_problem(send(api, picture("PNG")[:-20]), 422, "invalid_image")
    assert_problem(send(api, photo()[:5000] + b"\xff\xd9"), 422, "invalid_image")
    assert api.get(IMAGES).json()["count"] == 0


def test_the_type_is_what_the_bytes_are(api: httpx.Client) -> None:
    response = api.post(IMAGES, content=picture("PNG"), headers={"Content-Type": "image/jpeg"})
    assert response.json()["content_type"] == "image/png"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (" Sea ,SUNSET,sea,,", ["sea", "sunset"]),
        (["Sea", "sunset,Beach"], ["sea", "sunset", "beach"]),
        ('["a,b", "C"]', ["a,b", "c"]),
        ("", []),
    ],
)
def test_tags_come_separated_repeated_or_as_json(api: httpx.Client, tags: Any, expected: list[str]) -> None:
    assert upload(api, tags=tags)["tags"] == expected
    response = api.post(IMAGES, params={"tags": tags}, content=picture(), headers={"Content-Type": "image/jpeg"})
    assert response.json()["tags"] == expected


def test_tags_are_measured_as_they_are_kept(api: httpx.Client) -> None:
    decomposed = "u\u031b\u0323" * 50
    written = [f"  {number:050}  " for number in range(18)] + ["\u00df" * 25, decomposed, "x", "X", " x "]
    image = upload(api, tags=json.dumps([*written[:20], written[0]]))
    assert image["tags"] == [f"{number:050}" for number in range(18)] + ["s" * 50, "\u1ef1" * 50]
    path = f"{IMAGES}/{image['image_id']}"
    assert api.patch(path, json={"tags": image["tags"]}).json()["tags"] == image["tags"]
    assert_problem(api.patch(path, json={"tags": written}), 400, "invalid_request", "tags")
    assert api.patch(path, json={"tags": [*written[:17], *written[20:]]}).json()["tags"][-1] == "x"


def test_base64_may_be_a_data_url_with_line_breaks_and_metadata_inside(api: httpx.Client) -> None:
    data = picture("GIF")
    text = base64_text(data)
    lines = "\r\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    body = {
        "image_data": f"data:image/gif;base64,{lines}",
        "filename": "a.gif",
        "metadata": {"title": "T", "description": "D", "location": "L", "tags": ["x"]},
    }
    image = api.post(IMAGES, json=body).json()
    assert [image[name] for name in ("filename", "title", "description", "location", "tags")] == [
        "a.gif",
        "T",
        "D",
        "L",
        ["x"],
    ]


@pytest.mark.parametrize(
    "template", [" \n{}\t ", "data:image/jpeg;base64,{}", "DATA:image/jpeg;BASE64,{}", "\n data:;base64,{} \n"]
)
def test_base64_is_recognised_in_its_variants(api: httpx.Client, template: str) -> None:
    image = api.post(IMAGES, json={"image_data": template.format(base64_text(picture()))}).json()
    assert image["sha256"] == hashlib.sha256(picture()).hexdigest()


def test_a_data_url_may_be_escaped(api: httpx.Client) -> None:
    url = f"data:image/jpeg;base64,{quote(base64_text(picture()), safe='')}"
    assert api.post(IMAGES, json={"image_data": url}).json()["sha256"] == hashlib.sha256(picture()).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("data:;base64," + "%" * 1_000_000, id="a million escapes"),
        "data:;base64,%41%41%41%41",
        "data:image/jpeg,{}",
        "data:{}",
        "data:image/jpeg;base64",
        "data:base64,{}",
        "data:,;base64,{}",
    ],
)
def test_a_data_url_that_is_not_base64_is_refused(api: httpx.Client, text: str) -> None:
    response = api.post(IMAGES, json={"image_data": text.format(base64_text(picture()))})
    assert_problem(response, 400, "invalid_request", "image_data")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"image_data": "not base64!"}, "image_data"),
        ({"image_data": "AA==AAAA"}, "image_data"),
        ({"image_data": None}, "image_data"),
        ({"image_data": "AAA"}, "image_data"),
        ({"image_data": "_-_-"}, "image_data"),
        ({"unknown": 1}, "unknown"),
        ({"title": 5}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"description": "x" * 2001}, "description"),
        ({"location": "x" * 201}, "location"),
        ({"filename": "x" * 256}, "filename"),
        ({"tags": [str(number) for number in range(21)]}, "tags"),
        ({"tags": ["x" * 51]}, "tags.0"),
        ({"tags": ["ok", "OK", " "]}, "tags.2"),
        ({"tags": ["ok", "\u00df" * 26]}, "tags.1"),
        ({"tags": ["x"] * 500_000}, "tags"),
        ({"tags": "x," * 500_000}, "tags"),
        ({"tags": ["a\u0300\u0323" * 200_000]}, "tags.0"),
        ({"tags": {"a": 1}}, "tags"),
        ({"metadata": {"nonsense": 1}}, "metadata.nonsense"),
        ({"metadata": {"title": "twice"}}, "title"),
    ],
)
def test_an_invalid_member_is_named(api: httpx.Client, change: dict[str, Any], field: str) -> None:
    body = {"image_data": base64_text(picture()), "title": "T"} | change
    assert_problem(api.post(IMAGES, json=body), 400, "invalid_request", field)


@pytest.mark.parametrize("field", ["title", "description", "location"])
def test_blank_fields_of_a_form_are_no_value(api: httpx.Client, field: str) -> None:
    blank: dict[str, Any] = {field: "  "}
    assert upload(api, **blank)[field] is None


def test_limits_are_exact(api: httpx.Client) -> None:
    image = upload(
        api,
        filename="ü" * 251 + ".jpg",
        title="t" * 200,
        description="d" * 2000,
        location="l" * 200,
        tags=[f"{number:050}" for number in range(20)],
    )
    assert [len(image[name]) for name in ("filename", "title", "description", "location", "tags")] == [
        255,
        200,
        2000,
        200,
        20,
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Zürich 北京 🏖.jpg", "Zürich 北京 🏖.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\a.png", "a.png"),
        ("", "image.jpg"),
    ],
)
def test_filenames_keep_unicode_and_lose_paths(api: httpx.Client, given: str, kept: str) -> None:
    response = api.post(IMAGES, params={"filename": given}, content=picture(), headers={"Content-Type": "image/jpeg"})
    assert response.json()["filename"] == kept


@pytest.mark.parametrize("field", ["title", "description", "location", "filename", "tags"])
def test_a_field_of_the_query_that_is_not_utf8_is_named(api: httpx.Client, field: str) -> None:
    response = api.post(f"{IMAGES}?{field}=a%ff", content=picture(), headers={"Content-Type": "image/jpeg"})
    assert_problem(response, 400, "invalid_request", field)
    assert api.get(IMAGES).json()["count"] == 0


def test_a_form_without_a_file_says_so(api: httpx.Client) -> None:
    response = api.post(IMAGES, files={"picture": ("a.txt", b"text")})
    assert_problem(response, 400, "invalid_request", "file", "picture")


def test_a_second_file_is_refused(api: httpx.Client) -> None:
    response = api.post(IMAGES, files=[("file", ("a.jpg", picture())), ("file", ("b.jpg", picture()))])
    assert_problem(response, 400, "invalid_request", "file")


def test_a_field_given_twice_is_refused(api: httpx.Client) -> None:
    response = api.post(IMAGES, files={"file": ("a.jpg", picture())}, data={"title": ["a", "b"]})
    assert_problem(response, 400, "invalid_request", "title")


def test_an_unknown_field_is_refused(api: httpx.Client) -> None:
    response = api.post(IMAGES, files={"file": ("a.jpg", picture())}, data={"titel": "a"})
    assert_problem(response, 400, "invalid_request", "titel")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[1]"),
        ("application/json", b'{"image_data": "\\ud800"}'),
        ("text/plain", b"x"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\nno header\r\n\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="t"\r\n\r\n\xff\r\n--x--',
        ),
    ],
)
def test_a_malformed_body_is_refused(api: httpx.Client, content_type: str, body: bytes) -> None:
    response = api.post(IMAGES, content=body, headers={"Content-Type": content_type})
    assert response.status_code == 400
    assert response.json()["code"] == "invalid_request"


def test_a_cut_multipart_body_is_refused_and_nothing_stored(api: httpx.Client) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + picture() + b"\r\n--x"
    response = api.post(IMAGES, content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert_problem(response, 400, "incomplete_body")
    assert api.get(IMAGES).json()["count"] == 0


DIGEST_HEADERS = ["Repr-Digest", "Content-Digest", "X-Amz-Checksum-Sha256"]


@pytest.mark.parametrize("header", DIGEST_HEADERS)
@pytest.mark.parametrize("send", [multipart, raw, base64_json])
def test_a_checksum_that_fits_is_accepted_and_another_refused(api: httpx.Client, send: Any, header: str) -> None:
    data = picture("PNG")
    template = "{}" if header.startswith("X-") else "sha-512=:AAAA:, sha-256=:{}:"
    api.headers[header] = template.format(sha256_base64(data))
    assert send(api, data).status_code == 201
    api.headers[header] = template.format(sha256_base64(data + b"x"))
    assert_problem(send(api, data), 400, "checksum_mismatch")
    del api.headers[header]
    assert api.get(IMAGES).json()["count"] == 1


def test_a_digest_of_the_whole_form_is_accepted_too(api: httpx.Client) -> None:
    request = api.build_request("POST", IMAGES, files={"file": ("a.jpg", picture())})
    request.headers["Content-Digest"] = f"sha-256=:{sha256_base64(request.read())}:"
    assert api.send(request).status_code == 201


@pytest.mark.parametrize(
    ("header", "value"),
    [("Repr-Digest", "sha-256=nonsense"), ("X-Amz-Checksum-Sha256", "%%%"), ("X-Amz-Checksum-Sha256", "AAAA")],
)
def test_a_malformed_checksum_is_named(api: httpx.Client, header: str, value: str) -> None:
    response = api.post(IMAGES, content=picture(), headers={"Content-Type": "image/jpeg", header: value})
    assert_problem(response, 400, "invalid_request", header)


def test_other_digest_algorithms_are_left_alone(api: httpx.Client) -> None:
    headers = {"Content-Type": "image/jpeg", "Repr-Digest": "sha-512=:AAAA:"}
    assert api.post(IMAGES, content=picture(), headers=headers).status_code == 201


def test_odd_user_ids_have_their_own_images(connect: Connect, user: str) -> None:
    odd = f"{user}|a:b+c@d=e"
    with connect(odd) as api:
        image = upload(api, title="odd")
        assert image["user_id"] == odd
        assert api.get(f"{IMAGES}/{image['image_id']}").content == picture()
        assert [found["image_id"] for found in api.get(IMAGES).json()["images"]] == [image["image_id"]]


@pytest.mark.parametrize("query", ["title=Lost", "colour=red"])
def test_a_query_beside_a_form_or_json_is_refused_and_not_ignored(api: httpx.Client, query: str) -> None:
    field = query.partition("=")[0]
    form = api.post(f"{IMAGES}?{query}", files={"file": ("a.jpg", picture())})
    json_body = {"image_data": base64_text(picture())}
    assert_problem(form, 400, "invalid_request", field)
    assert_problem(api.post(f"{IMAGES}?{query}", json=json_body), 400, "invalid_request", field)


def test_a_file_in_another_field_is_named_and_a_missing_one_too(api: httpx.Client) -> None:
    answer = api.post(IMAGES, files={"image": ("a.jpg", picture())})
    assert_problem(answer, 400, "invalid_request", "file", "image")
    answer = api.post(IMAGES, files={"file": ("a.jpg", picture()), "preview": ("b.jpg", picture())})
    assert_problem(answer, 400, "invalid_request", "preview")


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ("filename*=UTF-8''%e2%82%ac%20rates.png", "€ rates.png"),
        ("filename=\"=?utf-8?B?4oKsLnBuZw==?=\"; filename*=utf-8'en'%E2%82%AC.png", "€.png"),
        ("filename*=utf-8''%E2%82%AC.png; filename=\"plain.png\"", "€.png"),
        ("filename=\"x; filename*=utf-8''evil.png\"", "x; filename*=utf-8''evil.png"),
        ("filename=\"plain.png\"; filename*=klingon''a.png", "plain.png"),
    ],
)
def test_the_extended_form_of_a_filename_counts_before_the_plain_one(api: httpx.Client, names: str, kept: str) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="file"; {names}\r\n\r\n'.encode()
    body = head + picture() + b"\r\n--b--\r\n"
    answer = api.post(IMAGES, content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.json()["filename"] == kept


def test_each_digest_that_is_sent_must_fit(api: httpx.Client) -> None:
    good, bad = sha256_base64(picture()), sha256_base64(b"other")
    for first, second in ((good, bad), (bad, good)):
        headers = {"Content-Type": "image/jpeg", "Repr-Digest": f"sha-256=:{first}:, sha-256=:{second}:"}
        assert_problem(api.post(IMAGES, content=picture(), headers=headers), 400, "checksum_mismatch")


def test_what_is_known_of_the_pixels_is_told(api: httpx.Client) -> None:
    image = upload(api, picture("GIF", frames=3))
    assert (image["frames"], image["captured_at"]) == (3, None)
    assert len(base64.b64decode(image["placeholder"])) > 10
    assert re.fullmatch("#[0-9a-f]{6}", image["dominant_color"])


def test_where_a_picture_was_taken_is_nowhere_in_its_resource(api: httpx.Client) -> None:
    exif = Pillow.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.5)})
    image = upload(api, picture("JPEG", exif=exif))
    assert image["captured_at"] == "2026-01-02T03:04:05"
    assert image["location"] is None
    assert not any("gps" in name or "latitude" in name for name in image)
