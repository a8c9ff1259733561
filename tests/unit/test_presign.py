from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from app.services.aws import AWSClientFactory
from app.services.presign import Presigner
from tests.conftest import test_settings


def boto3_url(key: str, *, bucket: str, endpoint: str | None, region: str, token: str | None) -> str:
    """What boto3 makes of the same request, right now."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="AKID/+",
        aws_secret_access_key="se cret",
        aws_session_token=token,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path" if endpoint else "virtual"}),
    )
    url: str = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=900)
    return url


def our_url(key: str, like: str, *, bucket: str, endpoint: str | None, region: str, token: str | None) -> str:
    signed_at = datetime.strptime(parse_qs(urlsplit(like).query)["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    settings = test_settings(
        s3_bucket=bucket,
        aws_endpoint_url=endpoint,
        aws_region=region,
        aws_access_key_id="AKID/+",
        aws_secret_access_key="se cret",
        aws_session_token=token,
    )
    presigner = Presigner(AWSClientFactory(settings), settings)
    return presigner.get_url(key, signed_at=signed_at, expires_in_seconds=900)


def parts(url: str) -> tuple[str, list[str]]:
    """A URL with its query sorted: boto3 puts the token last, which means the same."""
    base, _, query = url.partition("?")
    return base, sorted(query.split("&"))


# For us-east-1 boto3 still names S3's global host, so AWS itself is compared in another region.
@pytest.mark.parametrize(
    ("endpoint", "region"),
    [(None, "eu-central-1"), ("http://127.0.0.1:4566", "us-east-1"), ("https://s3.example:8443", "eu-central-1")],
)
@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzE//+=="])
def test_urls_are_those_of_boto3(endpoint: str | None, region: str, token: str | None) -> None:
    where = {"bucket": "some-images", "endpoint": endpoint, "region": region, "token": token}
    key = "images/a%40b|c+d=e/f47ac10b.jpg"
    theirs = boto3_url(key, **where)  # type: ignore[arg-type]
    assert parts(our_url(key, theirs, **where)) == parts(theirs)  # type: ignore[arg-type]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40))
def test_odd_keys_are_signed_like_boto3_does(key: str) -> None:
    where = {"bucket": "some-images", "endpoint": "http://127.0.0.1:4566", "region": "us-east-1", "token": None}
    theirs = boto3_url("images/" + key, **where)  # type: ignore[arg-type]
    assert our_url("images/" + key, theirs, **where) == theirs  # type: ignore[arg-type]


def test_a_bucket_with_dots_is_named_in_the_path() -> None:
    settings = test_settings(s3_bucket="my.images", aws_region="eu-west-1")
    url = Presigner(AWSClientFactory(settings), settings).get_url(
        "k", signed_at=datetime(2026, 1, 2, tzinfo=UTC), expires_in_seconds=60
    )
    assert url.startswith("https://s3.eu-west-1.amazonaws.com/my.images/k?")


def test_the_public_endpoint_is_what_clients_see() -> None:
    settings = test_settings(aws_endpoint_url="http://localstack:4566", s3_public_endpoint_url="http://localhost:4566")
    url = Presigner(AWSClientFactory(settings), settings).get_url(
        "k", signed_at=datetime(2026, 1, 2, tzinfo=UTC), expires_in_seconds=60
    )
    assert url.startswith("http://localhost:4566/images/k?")
