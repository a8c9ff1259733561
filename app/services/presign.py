"""Presigned S3 requests, by Signature Version 4 in the query string or in a form's policy.

boto3 would make them too, but always for "now", so that every answer would carry another download
URL and nothing behind them could be cached; and it takes 50 times as long, for each of the 100
images of a page. The rules are those of the Amazon S3 API Reference, "Authenticating Requests:
Using Query Parameters" and "Authenticating Requests in Browser-Based Uploads Using POST"; a test
compares every byte with boto3's.
"""

import base64
import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import orjson

from app.models import UploadMethod
from app.services.aws import AWSClientFactory
from app.services.fast_clients import bucket_address
from app.services.mac import Mac
from app.services.sigv4 import ALGORITHM, amz_date, signing_mac
from app.settings import Settings

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.~/-]+")  # seen in half the time that `quote` takes to say so


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
        self._bucket = settings.s3_bucket
        endpoint = settings.s3_public_endpoint_url or settings.endpoint_url
        self._origin, self._prefix = bucket_address(
            endpoint or f"https://s3.{self._region}.{factory.domain()}", self._bucket, in_path=bool(endpoint)
        )
        self._host = urlsplit(self._origin).netloc
        # Kept, since a page has a hundred URLs of one moment, and as many pages again have the same.
        self._reading = functools.lru_cache(maxsize=16)(partial(self._signer, "GET", {}))

    @property
    def origin(self) -> str:
        """Where all presigned requests go: scheme, host and port."""
        return f"{urlsplit(self._origin).scheme}://{self._host}"

    def get_urls(self, *, signed_at: datetime, expires_in_seconds: int) -> "UrlSigner":
        """For URLs from which objects can be read until `signed_at` plus the seconds have passed."""
        return self._reading(self._factory.credentials(), signed_at, expires_in_seconds)

    def put(self, expected: ExpectedObject, *, signed_at: datetime, expires_in_seconds: int) -> PresignedUpload:
        """A PUT that stores the object as expected, and only where there is none yet (`If-None-Match: *`).

        The headers returned must be sent as they are. Content-Length is signed too, but clients set
        it themselves, and browsers let nobody else do it.
        """
        headers = {"Content-Type": expected.content_type, "If-None-Match": "*"}
        if expected.sha256 is not None:
            headers["x-amz-checksum-sha256"] = base64.b64encode(expected.sha256).decode()
        signed = {"Content-Length": str(expected.file_size), **headers}
        signer = self._signer("PUT", signed, self._factory.credentials(), signed_at, expires_in_seconds)
        expires_at = signed_at + timedelta(seconds=expires_in_seconds)
        url = signer.url(expected.key)
        return PresignedUpload(method=UploadMethod.PUT, url=url, headers=headers, fields={}, expires_at=expires_at)

    def post(self, expected: ExpectedObject, *, signed_at: datetime, expires_in_seconds: int) -> PresignedUpload:
        """A form that stores the object as expected. S3 knows no "only where there is none" for forms.

        The fields go before the file. S3 answers 201 with XML about the object, which uploaders
        such as Uppy read.
        """
        credentials = self._factory.credentials()
        start = _start(credentials, self._region, signed_at, expires_in_seconds)
        expires_at = signed_at + timedelta(seconds=expires_in_seconds)
        fields: dict[str, str] = {
            "key": expected.key,
            "Content-Type": expected.content_type,
            "success_action_status": "201",
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": start.credential,
            "x-amz-date": start.time,
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
        fields["x-amz-signature"] = start.mac.digest(policy.encode()).hex()
        url = f"{self._origin}{self._prefix or '/'}"
        return PresignedUpload(method=UploadMethod.POST, url=url, headers={}, fields=fields, expires_at=expires_at)

    def _signer(
        self,
        method: str,
        headers: Mapping[str, str],
        credentials: "ReadOnlyCredentials",
        signed_at: datetime,
        expires_in_seconds: int,
    ) -> "UrlSigner":
        """For requests that are only good with these headers."""
        start = _start(credentials, self._region, signed_at, expires_in_seconds)
        sent = {"host": self._host, **{name.lower(): value for name, value in headers.items()}}
        return UrlSigner(start, method, f"{self._prefix}/", sent, origin=self._origin)


class UrlSigner:
    """Signs URLs of one method and moment, of which a page has a hundred: what they have in common is computed once."""

    def __init__(self, start: "_Start", method: str, prefix: str, headers: Mapping[str, str], *, origin: str) -> None:
        """`headers` are those that must be sent, by names in lower case."""
        names = ";".join(sorted(headers))
        lines = "".join([f"{name}:{headers[name]}\n" for name in sorted(headers)])
        self._mac = start.mac
        self._text = start.text
        self._method = method
        self._origin = origin
        self._prefix = prefix
        self._query = f"{start.query}&X-Amz-SignedHeaders={quote(names, safe='')}"
        self._rest = f"{lines}\n{names}\nUNSIGNED-PAYLOAD"

    def url(self, key: str, overrides: str = "") -> str:
        """The URL of the object with this key.

        `overrides` are parameters for the headers that the answer shall have whatever the object says:
        `&response-cache-control=...` and so on, percent-encoded and in the order of their names.
        """
        path = self._prefix + (key if _PLAIN_KEY.fullmatch(key) else quote(key, safe="/~"))
        query = self._query + overrides  # which sort behind all X-Amz-*, as the signature wants it
        request = f"{self._method}\n{path}\n{query}\n{self._rest}"
        signature = self._mac.digest(f"{self._text}{hashlib.sha256(request.encode()).hexdigest()}".encode()).hex()
        return f"{self._origin}{path}?{query}&X-Amz-Signature={signature}"


@dataclass(frozen=True, slots=True)
class _Start:
    """What all signatures of one moment have in common: the key, and how the query and the signed text begin."""

    mac: Mac
    time: str
    credential: str
    query: str
    text: str


def _start(credentials: "ReadOnlyCredentials", region: str, signed_at: datetime, expires_in_seconds: int) -> _Start:
    time = amz_date(int(signed_at.timestamp()))
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    credential = f"{credentials.access_key}/{scope}"
    query = (
        f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={quote(credential, safe='')}"
        f"&X-Amz-Date={time}&X-Amz-Expires={expires_in_seconds}"
    )
    if credentials.token:
        query += f"&X-Amz-Security-Token={quote(credentials.token, safe='')}"
    assert credentials.secret_key is not None  # the type stubs allow for it
    mac = signing_mac(credentials.secret_key, time[:8], region, "s3")
    return _Start(mac, time, credential, query, f"{ALGORITHM}\n{time}\n{scope}\n")
