"""Whatever a client writes, a parser gives something right or refuses it by name."""

import base64
import dataclasses
import hashlib
import io
import re
from contextlib import nullcontext, suppress
from typing import cast

import pytest
from botocore.response import StreamingBody
from flask import Request, Response
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header

from app.api.bodies import read_json, read_upload
from app.api.conditions import expected_versions
from app.api.downloads import image_response
from app.api.idempotency import idempotency_key
from app.api.identity import HeaderIdentity
from app.api.negotiation import accepted_format
from app.api.parsing import TAGS, parse, query_values
from app.api.request_models import request_models
from app.api.tokens import BearerIdentity, OneKey
from app.errors import ChecksumMismatch, InvalidRequest, PreconditionFailed, RangeNotSatisfiable, ServiceError
from app.models import Image, cleaned_filename
from app.services.bucket_urls import content_disposition
from app.services.images import ImageService
from app.services.storage import ObjectStream
from app.services.tables import Term, TermKind, term_key, usage_key
from app.variant_specs import VariantFormat
from tests.conftest import test_settings
from tests.samples import picture
from tests.unit.test_tables import IMAGE

SETTINGS = test_settings(max_upload_bytes=1000)
MODELS = request_models(SETTINGS)
SIZE = 1000
PNG = picture("PNG", (8, 8))
FINISHED = dataclasses.replace(IMAGE, file_size=SIZE)

# As WSGI carries header values: a character for each byte (PEP 3333), and no line ends, which servers refuse.
header_texts = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=200)
texts = st.text(st.characters(codec="utf-8"), max_size=100)


def asked(**headers: str) -> Request:
    return posted(b"", **headers)


def posted(body: bytes, **headers: str) -> Request:
    environ = {
        "REQUEST_METHOD": "POST" if body else "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        **{f"HTTP_{name.upper()}": value for name, value in headers.items() if name != "content_type"},
    }
    if "content_type" in headers:
        environ["CONTENT_TYPE"] = headers["content_type"]
    return Request(environ)


def one_of_several(*parts: str) -> st.SearchStrategy[str]:
    """Texts near to what is meant: these parts in any order, between others."""
    return st.lists(st.sampled_from(parts) | header_texts, max_size=8).map("".join)


LIST_PARAMETERS = (
    "limit", "tags", "created_after", "cursor", "order", "q", "title_prefix", "sha256", "status", "explain",
)  # fmt: skip


@given(st.binary(max_size=300) | st.dictionaries(st.sampled_from(LIST_PARAMETERS), texts).map(str).map(str.encode))
@example(b"limit=1_0&tags=%FF")
def test_any_query_is_a_filter_or_refused(query: bytes) -> None:
    with suppress(InvalidRequest):
        wanted = parse(MODELS.list_query, query_values(query, lists=TAGS))
        assert 1 <= wanted.limit <= SETTINGS.max_list_limit
        wanted.filter()


@given(st.sampled_from(LIST_PARAMETERS), texts)
def test_any_value_of_a_parameter_is_taken_or_refused_by_its_name(name: str, value: str) -> None:
    refused: set[str] = set()
    try:
        parse(MODELS.list_query, {name: value}).filter()
    except InvalidRequest as error:
        refused = {item.field.partition(".")[0] for item in error.errors}
    assert refused <= {name}


BOUNDARY = "b" * 10
written_texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=100)
multipart_parts = one_of_several(
    f"--{BOUNDARY}\r\n",
    f"\r\n--{BOUNDARY}--\r\n",
    "\r\n",
    "\r\n\r\n",
    'Content-Disposition: form-data; name="file"; filename="a.jpg"',
    'Content-Disposition: form-data; name="title"',
    "Content-Type: image/jpeg",
    "Content-Transfer-Encoding: base64",
)


@given(multipart_parts)
def test_any_multipart_body_is_an_upload_or_refused(body: str) -> None:
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    with suppress(ServiceError):
        read_upload(posted(body.encode(), content_type=content_type), MODELS, SETTINGS).spool.close()


@given(title=written_texts, location=written_texts, content=st.binary(min_size=1, max_size=500))
def test_what_a_form_says_arrives(title: str, location: str, content: bytes) -> None:
    delimiter = b"--" + BOUNDARY.encode()
    parts = [("title", title.encode()), ("location", location.encode()), ('file"; filename="a.jpg', content)]
    body = b"".join(
        delimiter + f'\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
        for name, value in parts
    )
    sent = posted(body + delimiter + b"--\r\n", content_type=f"multipart/form-data; boundary={BOUNDARY}")
    upload = read_upload(sent, MODELS, SETTINGS)
    with upload.spool as spool:
        assert spool.buffer() == content
    assert (upload.fields.title, upload.fields.location) == (title or None, location or None)


content_types = one_of_several("multipart/form-data", "image/png", "application/json", ";", "boundary=", "a/b")


@given(content_types, st.binary())
def test_any_content_type_is_one_of_three_or_refused(content_type: str, body: bytes) -> None:
    for read in (lambda it: read_upload(it, MODELS, SETTINGS).spool.close(), read_json):
        with suppress(ServiceError):
            read(posted(body, content_type=content_type))


digest_headers = st.sampled_from(("repr_digest", "content_digest", "x_amz_checksum_sha256"))


@given(st.dictionaries(digest_headers, header_texts))
def test_any_digest_header_is_read_or_refused(digests: dict[str, str]) -> None:
    with suppress(ServiceError):
        read_upload(posted(PNG, content_type="image/png", **digests), MODELS, SETTINGS).spool.close()


@given(st.dictionaries(digest_headers, st.sampled_from((PNG, PNG[:-1], b"")), min_size=1))
def test_bytes_are_taken_only_where_all_digests_are_theirs(digested: dict[str, bytes]) -> None:
    digests = {}
    for name, data in digested.items():
        value = base64.b64encode(hashlib.sha256(data).digest()).decode()
        digests[name] = value if name.startswith("x") else f"sha-256=:{value}:"
    with nullcontext() if set(digested.values()) == {PNG} else pytest.raises(ChecksumMismatch):
        read_upload(posted(PNG, content_type="image/png", **digests), MODELS, SETTINGS).spool.close()


@given(header_texts | st.from_regex(r"[A-Za-z0-9._@:+=|-]{1,128}", fullmatch=True))
def test_any_user_id_is_safe_in_keys_or_refused(text: str) -> None:
    with suppress(ServiceError):
        user_id = HeaderIdentity().user_of(Headers({"X-User-ID": text}))
        assert user_id == text
        assert re.fullmatch(r"[!-~]{1,128}", user_id)
        assert not set("#/\\%\"' ") & set(user_id)
        assert user_id not in {".", ".."}
        assert term_key(user_id, Term(TermKind.TAG, "x")).partition("#")[0] == user_id
        assert usage_key(user_id)["image_id"]["S"] == f"usage#{user_id}"


@given(one_of_several("Bearer ", "eyJhbGciOiJIUzI1NiJ9", ".", "e30", "eyJhbGciOiJub25lIn0") | header_texts)
def test_any_token_is_refused_but_a_signed_one(text: str) -> None:
    keys = OneKey("s" * 32, ("HS256",))
    identity = BearerIdentity(keys, issuer="i", audience="a", algorithms=("HS256",), claim="sub")
    with pytest.raises(ServiceError):
        identity.user_of(Headers({"Authorization": text}))


@given(st.text())
@example("a\r\nSet-Cookie: x=1")
@example("C:\\photos\\\u202egpj.exe")
@example("a\u200eb\u200fc\u061c")
def test_any_filename_is_one_safe_name_or_none(text: str) -> None:
    name = cleaned_filename(text)
    if name is not None:
        assert cleaned_filename(name) == name
        assert not re.search(r"[/\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", name)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4000))
@example('a"; filename=evil.exe; x="')
@example("\N{GRINNING FACE}\u202e\u0000\r\n;%")
def test_any_filename_is_one_parameter_of_its_header(text: str) -> None:
    header = content_disposition("inline", cleaned_filename(text) or "image.jpg")
    assert re.fullmatch(r"[ -~]+", header)
    assert re.match(r"inline; ", header)
    _, parameters = parse_options_header(header)
    assert set(parameters) == {"filename"}
    assert parameters["filename"] == (cleaned_filename(text) or "image.jpg")


class Opened:
    """Stands in for the service: gives no bytes, and tells which were asked for."""

    byte_range: tuple[int, int] | None = None

    def open(self, image: Image, byte_range: tuple[int, int] | None = None) -> ObjectStream:
        self.byte_range = byte_range
        start, stop = byte_range or (0, image.file_size)
        return ObjectStream(StreamingBody(io.BytesIO(), 0), stop - start)


DATE = "Fri, 02 Jan 2026 03:04:05 GMT"
range_texts = one_of_several("bytes=", "0", "-", ",", "9" * 30, str(SIZE), str(SIZE - 1), "bytes=0-0", "BYTES=-5")
tag_texts = one_of_several(f'"{IMAGE.sha256}"', "W/", "*", ",", '"', DATE)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "range": range_texts,
            "if_range": tag_texts,
            "if_match": tag_texts,
            "if_none_match": tag_texts,
            "if_modified_since": one_of_several(DATE, "Fri, 31 Dec 99999 99:99:99 +9999"),
            "if_unmodified_since": one_of_several(DATE, "0"),
        },
    )
)
def test_any_range_is_inside_of_the_image_or_ignored_or_refused(headers: dict[str, str]) -> None:
    opened = Opened()
    try:
        response = image_response(asked(**headers), FINISHED, cast("ImageService", opened), attachment=False)
    except (PreconditionFailed, RangeNotSatisfiable):
        return
    assert isinstance(response, Response)
    assert response.status_code in {200, 206, 304}
    assert (response.status_code == 206) == (opened.byte_range is not None)
    if opened.byte_range is not None:
        start, stop = opened.byte_range
        assert 0 <= start < stop <= SIZE


@given(tag_texts | header_texts)
def test_any_if_match_names_versions_or_nothing(text: str) -> None:
    versions = expected_versions(asked(if_match=text))
    assert versions is None or all(version > 0 for version in versions)


@given(header_texts)
def test_any_idempotency_key_is_visible_ascii_or_refused(text: str) -> None:
    with suppress(InvalidRequest):
        key = idempotency_key(asked(idempotency_key=text))
        assert key is None or re.fullmatch("[!-~]{1,255}", key)


@given(one_of_several("image/webp", "image/avif", "image/*", "*/*", ";q=", "0", "1", ".5", ",", ";", "e9", "-"))
def test_any_accept_header_gets_a_format_that_there_is(accept: str) -> None:
    offered = (VariantFormat.AVIF, VariantFormat.WEBP, VariantFormat.JPEG, VariantFormat.PNG)
    assert accepted_format(asked(accept=accept), offered) in offered
