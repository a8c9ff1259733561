"""Signatures are compared with botocore's, byte for byte."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from app.services.sigv4 import HeaderSigner

HOST = "some-images.s3.eu-central-1.amazonaws.com"
NAMES = st.from_regex(r"x-[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
TOKENS = st.sampled_from([None, "FwoGZXIvYXdzE//+=="])


def theirs(signer: Any, request: AWSRequest) -> tuple[str, datetime]:
    """The Authorization that botocore gives to the same request, and the moment at which it did."""
    signer.add_auth(request)
    moment = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return str(request.headers["Authorization"]), moment


@given(
    key=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40),
    headers=st.dictionaries(NAMES, VALUES, max_size=5),
    method=st.sampled_from(["GET", "PUT"]),
    token=TOKENS,
)
def test_requests_for_objects_are_signed_like_boto3_does(
    key: str, headers: dict[str, str], method: str, token: str | None
) -> None:
    path = "/" + quote(key, safe="/~")
    credentials = ReadOnlyCredentials("AKID/+", "se cret", token)
    request = AWSRequest(method, f"https://{HOST}{path}", headers)
    request.context["client_config"] = Config(s3={"payload_signing_enabled": False})
    signer = auth.S3SigV4Auth(credentials, "s3", "eu-central-1")
    expected, moment = theirs(signer, request)
    ours = HeaderSigner(region="eu-central-1", service="s3").sign(
        method,
        path,
        {**headers, "host": HOST, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
        "UNSIGNED-PAYLOAD",
        credentials=credentials,
        moment=moment,
    )
    assert ours["authorization"] == expected
    assert ours.get("x-amz-security-token") == token


@given(body=st.binary(max_size=200), token=TOKENS)
def test_calls_of_dynamodb_are_signed_like_boto3_does(body: bytes, token: str | None) -> None:
    credentials = ReadOnlyCredentials("AKID/+", "se cret", token)
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem"}
    signer = auth.SigV4Auth(credentials, "dynamodb", "eu-central-1")
    expected, moment = theirs(signer, AWSRequest("POST", f"https://{HOST}/", headers, body))
    ours = HeaderSigner(region="eu-central-1", service="dynamodb").sign(
        "POST", "/", {**headers, "host": HOST}, hashlib.sha256(body).hexdigest(), credentials=credentials, moment=moment
    )
    assert ours["authorization"] == expected
