"""Presigned S3 requests, by Signature Version 4 in the query string or in a form's policy.

boto3 would make them too, but always for "now", so that every answer would carry another download
URL and nothing behind them could be cached; and it takes 50 times as long, for each of the 100
images of a page. The rules are those of the Amazon S3 API Reference, "Authenticating Requests:
Using Query Parameters" and "Authenticating Requests in Browser-Based Uploads Using POST"; a test
compares every byte with boto3's.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import quote, urlsplit

import orjson

from app.models import UploadMethod
from app.services.aws import AWSClientFactory
from app.services.sigv4 import ALGORITHM, signing_key
from app.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedObject:
    """What a presigned upload lets in: this key, type (a MIME type), size in bytes and SHA-256 (if given), no other."""

    key: str
    content_type: str
    file_size: int
    sha256: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PresignedUpload:
    """A request that stores an object: a PUT with headers, or a form (POST) with fields before the file."""

    method: UploadMethod
    url: str
    headers: Mapping[str, str]
    fields: Mapping[str, str]
    expires_at: datetime


class Presigner:
    """Signs requests for objects of the service's bucket, for whoever holds the result."""

    def __init__(self, factory: AWSClientFactory, settings: Settings) -> None:
        self._factory = factory
        self._region = settings.aws_region
        endpoint = settings.s3_public_endpoint_url or settings.endpoint_url
        bucket = settings.s3_bucket
        self._bucket = bucket
        if endpoint:
            self._origin, self._prefix = endpoint, f"/{bucket}"
        elif "." in bucket:  # such a bucket's host name does not match Amazon's certificate
            self._origin, self._prefix = f"https://s3.{self._region}.amazonaws.com", f"/{bucket}"
        else:
            self._origin, self._prefix = f"https://{bucket}.s3.{self._region}.amazonaws.com", ""
        self._host = urlsplit(self._origin).netloc

    def get_url(self, key: str, *, signed_at: datetime, expires_in_seconds: int, **overrides: str) -> str:
        """The URL from which the object can be read until `signed_at` plus the seconds have passed.

        `overrides` are headers that the answer shall have whatever the object says:
        `response_cache_control`, `response_content_disposition`, `response_content_type`.
        """
        answer_with = "".join(
            f"&{name.replace('_', '-')}={quote(value, safe='')}" for name, value in sorted(overrides.items())
        )
        return self._signed(
            "GET", key, signed_at=signed_at, expires_in_seconds=expires_in_seconds, answer_with=answer_with
        )

    def put(self, expected: ExpectedObject, *, signed_at: datetime, expires_in_seconds: int) -> PresignedUpload:
        """A PUT that stores the object as expected, and only where there is none yet (`If-None-Match: *`).

        The headers returned must be sent as they are. Content-Length is signed too, but clients set
        it themselves, and browsers let nobody else do it.
        """
        headers = {"Content-Type": expected.content_type, "If-None-Match": "*"}
        if expected.sha256 is not None:
            headers["x-amz-checksum-sha256"] = base64.b64encode(expected.sha256).decode()
        signed = {"Content-Length": str(expected.file_size), **headers}
        url = self._signed(
            "PUT", expected.key, signed_at=signed_at, expires_in_seconds=expires_in_seconds, headers=signed
        )
        expires_at = signed_at + timedelta(seconds=expires_in_seconds)
        return PresignedUpload(method=UploadMethod.PUT, url=url, headers=headers, fields={}, expires_at=expires_at)

    def post(self, expected: ExpectedObject, *, signed_at: datetime, expires_in_seconds: int) -> PresignedUpload:
        """A form that stores the object as expected. S3 knows no "only where there is none" for forms.

        The fields go before the file. S3 answers 201 with XML about the object, which uploaders
        such as Uppy read.
        """
        credentials = self._factory.credentials()
        time, scope = self._time_and_scope(signed_at)
        expires_at = signed_at + timedelta(seconds=expires_in_seconds)
        fields: dict[str, str] = {
            "key": expected.key,
            "Content-Type": expected.content_type,
            "success_action_status": "201",
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": f"{credentials.access_key}/{scope}",
            "x-amz-date": time,
        }
        if credentials.token:
            fields["x-amz-security-token"] = credentials.token
        if expected.sha256 is not None:
            fields["x-amz-checksum-sha256"] = base64.b64encode(expected.sha256).decode()
        conditions = [
            {"bucket": self._bucket},
            ["content-length-range", expected.file_size, expected.file_size],
            *({name: value} for name, value in fields.items()),
        ]
        document = {"expiration": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"), "conditions": conditions}
        policy = base64.b64encode(orjson.dumps(document)).decode()
        fields["policy"] = policy
        fields["x-amz-signature"] = self._signature(credentials.secret_key, time, policy)
        url = f"{self._origin}{self._prefix or '/'}"
        return PresignedUpload(method=UploadMethod.POST, url=url, headers={}, fields=fields, expires_at=expires_at)

    def _signed(
        self,
        method: str,
        key: str,
        *,
        signed_at: datetime,
        expires_in_seconds: int,
        headers: Mapping[str, str] = MappingProxyType({}),
        answer_with: str = "",
    ) -> str:
        """The URL of a request that is only good with these headers. `answer_with` sorts behind all X-Amz-*."""
        credentials = self._factory.credentials()
        time, scope = self._time_and_scope(signed_at)
        path = self._prefix + "/" + quote(key, safe="/~")
        lines = sorted([f"host:{self._host}", *(f"{name.lower()}:{value}" for name, value in headers.items())])
        names = ";".join(line.partition(":")[0] for line in lines)
        query = (
            f"X-Amz-Algorithm={ALGORITHM}"
            f"&X-Amz-Credential={quote(f'{credentials.access_key}/{scope}', safe='')}"
            f"&X-Amz-Date={time}&X-Amz-Expires={expires_in_seconds}"
        )
        if credentials.token:
            query += f"&X-Amz-Security-Token={quote(credentials.token, safe='')}"
        query += f"&X-Amz-SignedHeaders={quote(names, safe='')}{answer_with}"
        request = "\n".join((method, path, query, *lines, "", names, "UNSIGNED-PAYLOAD"))
        text = f"{ALGORITHM}\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        return f"{self._origin}{path}?{query}&X-Amz-Signature={self._signature(credentials.secret_key, time, text)}"

    def _time_and_scope(self, signed_at: datetime) -> tuple[str, str]:
        time = signed_at.strftime("%Y%m%dT%H%M%SZ")
        return time, f"{time[:8]}/{self._region}/s3/aws4_request"

    def _signature(self, secret: str | None, time: str, text: str) -> str:
        assert secret is not None  # the type stubs allow for it
        return hmac.digest(signing_key(secret, time[:8], self._region, "s3"), text.encode(), "sha256").hex()
