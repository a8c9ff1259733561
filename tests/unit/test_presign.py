import base64
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from app.services.aws import AWSClientFactory
from app.services.bucket_urls import BucketUrls
from app.services.presign import ExpectedObject, Presigner
from tests.conftest import test_settings
from tests.unit.test_tables import IMAGE

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
SHA256 = bytes(range(32))
# For us-east-1 boto3 still names S3's global host, so AWS itself is compared in another region.
PLACES = [
    (None, "eu-central-1"),
    (None, "cn-north-1"),
    (None, "eusc-de-east-1"),
    ("http://127.0.0.1:4566", "us-east-1"),
    ("https://s3.example:8443", "eu-central-1"),
]
TOKENS = [None, "FwoGZXIvYXdzE//+=="]


def boto3_client(*, endpoint: str | None, region: str, token: str | None) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="AKID/+",
        aws_secret_access_key="se cret",
        aws_session_token=token,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if endpoint else "virtual"},
            request_checksum_calculation="when_required",
        ),
    )


def our_presigner(*, endpoint: str | None, region: str, token: str | None) -> Presigner:
    settings = test_settings(
        s3_bucket="some-images",
        aws_endpoint_url=endpoint,
        aws_region=region,
        aws_access_key_id="AKID/+",
        aws_secret_access_key="se cret",
        aws_session_token=token,
    )
    return Presigner(AWSClientFactory(settings), settings)


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def signed_at(url: str) -> datetime:
    return moment(parse_qs(urlsplit(url).query)["X-Amz-Date"][0])


def parts(url: str) -> tuple[str, list[str]]:
    """A URL with its query sorted: boto3 has the same parts in another order, which means the same."""
    base, _, query = url.partition("?")
    return base, sorted(query.split("&"))


@pytest.mark.parametrize(("endpoint", "region"), PLACES)
@pytest.mark.parametrize("token", TOKENS)
def test_urls_are_those_of_boto3(endpoint: str | None, region: str, token: str | None) -> None:
    key = "images/a%40b|c+d=e/f47ac10b.jpg"
    client = boto3_client(endpoint=endpoint, region=region, token=token)
    theirs = client.generate_presigned_url(
        "get_object",
        Params={
            "Bucket": "some-images",
            "Key": key,
            "ResponseContentType": "image/png",
            "ResponseCacheControl": "private, max-age=5",
            "ResponseContentDisposition": "inline; filename*=UTF-8''Z%C3%BCrich~%20.png",
        },
        ExpiresIn=900,
    )
    presigner = our_presigner(endpoint=endpoint, region=region, token=token)
    ours = presigner.get_urls(signed_at=signed_at(theirs), expires_in_seconds=900).url(
        key,
        response_content_type="image/png",
        response_content_disposition="inline; filename*=UTF-8''Z%C3%BCrich~%20.png",
        response_cache_control="private, max-age=5",
    )
    assert parts(ours) == parts(theirs)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40))
def test_odd_keys_are_signed_like_boto3_does(key: str) -> None:
    where: Any = {"endpoint": "http://127.0.0.1:4566", "region": "us-east-1", "token": None}
    asked = {"Bucket": "some-images", "Key": "images/" + key}
    theirs = boto3_client(**where).generate_presigned_url("get_object", Params=asked, ExpiresIn=900)
    presigner = our_presigner(**where)
    ours = presigner.get_urls(signed_at=signed_at(theirs), expires_in_seconds=900)
    assert ours.url("images/" + key) == theirs


@pytest.mark.parametrize(("endpoint", "region"), PLACES)
@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("sha256", [None, SHA256])
def test_a_put_is_that_of_boto3(endpoint: str | None, region: str, token: str | None, sha256: bytes | None) -> None:
    key = "images/a%40b|c+d=e/f47ac10b.jpg"
    checksum = {"ChecksumSHA256": base64.b64encode(sha256).decode()} if sha256 else {}
    theirs = boto3_client(endpoint=endpoint, region=region, token=token).generate_presigned_url(
        "put_object",
        Params={
            "Bucket": "some-images",
            "Key": key,
            "ContentType": "image/png",
            "ContentLength": 500,
            "IfNoneMatch": "*",
            **checksum,
        },
        ExpiresIn=900,
    )
    expected = ExpectedObject(key=key, content_type="image/png", file_size=500, sha256=sha256)
    ours = our_presigner(endpoint=endpoint, region=region, token=token).put(
        expected, signed_at=signed_at(theirs), expires_in_seconds=900
    )
    assert parts(ours.url) == parts(theirs)
    assert (ours.method, ours.fields, ours.expires_at) == ("PUT", {}, signed_at(theirs) + timedelta(seconds=900))
    sent = {"Content-Type": "image/png", "If-None-Match": "*"}
    assert ours.headers == sent | ({"x-amz-checksum-sha256": checksum["ChecksumSHA256"]} if sha256 else {})


@pytest.mark.parametrize(("endpoint", "region"), PLACES)
@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("sha256", [None, SHA256])
def test_a_form_is_that_of_boto3(endpoint: str | None, region: str, token: str | None, sha256: bytes | None) -> None:
    key = "uploads/a%40b|c+d=e/f47ac10b.jpg"
    named = {"Content-Type": "image/png", "success_action_status": "201"}
    if sha256:
        named["x-amz-checksum-sha256"] = base64.b64encode(sha256).decode()
    conditions = [["content-length-range", 500, 500], *({name: value} for name, value in named.items())]
    client = boto3_client(endpoint=endpoint, region=region, token=token)
    theirs = client.generate_presigned_post(
        "some-images", key, Fields=dict(named), Conditions=list(conditions), ExpiresIn=900
    )
    expected = ExpectedObject(key=key, content_type="image/png", file_size=500, sha256=sha256)
    ours = our_presigner(endpoint=endpoint, region=region, token=token).post(
        expected, signed_at=moment(theirs["fields"]["x-amz-date"]), expires_in_seconds=900
    )
    assert (ours.method, ours.headers) == ("POST", {})
    assert ours.url.rstrip("/") == theirs["url"].rstrip("/")
    different = {"policy", "x-amz-signature"}  # boto3 writes the same conditions in another order
    assert {name: value for name, value in ours.fields.items() if name not in different} == {
        name: value for name, value in theirs["fields"].items() if name not in different
    }
    assert policy(ours.fields) == policy(theirs["fields"])
    signer = client._request_signer.get_auth_instance("s3", region, "s3v4-presign-post")
    assert ours.fields["x-amz-signature"] == signature_of(signer, ours.fields)
    assert theirs["fields"]["x-amz-signature"] == signature_of(signer, theirs["fields"])


def policy(fields: Any) -> list[str]:
    document = json.loads(base64.b64decode(fields["policy"]))
    expires_at = datetime.fromisoformat(document["expiration"])
    lifetime = expires_at - moment(fields["x-amz-date"])
    assert timedelta(seconds=899) <= lifetime <= timedelta(seconds=901)  # boto3 looks at the clock twice
    return sorted(map(str, document["conditions"]))


def signature_of(signer: Any, fields: Any) -> str:
    request = SimpleNamespace(context={"timestamp": fields["x-amz-date"]})
    signature: str = signer.signature(fields["policy"], request)
    return signature


def test_download_urls_are_the_same_within_a_slot_and_good_for_at_least_half_their_lifetime() -> None:
    presigner = our_presigner(endpoint=None, region="eu-central-1", token=None)
    moments = [MOMENT + timedelta(seconds=seconds) for seconds in range(0, 7200, 600)]
    all_urls = [BucketUrls(presigner, it, lifetime_seconds=3600) for it in moments]
    assert len({urls.image(IMAGE) for urls in all_urls}) == 4
    for seen_at, urls in zip(moments, all_urls, strict=True):
        query = parse_qs(urlsplit(urls.image(IMAGE)).query)
        expires_at = moment(query["X-Amz-Date"][0]) + timedelta(seconds=int(query["X-Amz-Expires"][0]))
        assert urls.expires_at == expires_at
        assert timedelta(seconds=1800) <= expires_at - seen_at <= timedelta(seconds=3600)


def test_a_bucket_with_dots_is_named_in_the_path() -> None:
    settings = test_settings(s3_bucket="my.images", aws_region="eu-west-1")
    presigner = Presigner(AWSClientFactory(settings), settings)
    url = presigner.get_urls(signed_at=MOMENT, expires_in_seconds=60).url("k")
    assert url.startswith("https://s3.eu-west-1.amazonaws.com/my.images/k?")


def test_the_public_endpoint_is_what_clients_see() -> None:
    settings = test_settings(aws_endpoint_url="http://localstack:4566", s3_public_endpoint_url="http://localhost:4566")
    presigner = Presigner(AWSClientFactory(settings), settings)
    url = presigner.get_urls(signed_at=MOMENT, expires_in_seconds=60).url("k")
    assert url.startswith("http://localhost:4566/images/k?")
    expected = ExpectedObject(key="k", content_type="image/png", file_size=1, sha256=None)
    assert presigner.post(expected, signed_at=MOMENT, expires_in_seconds=60).url == "http://localhost:4566/images"
