"""Presigned S3 URLs, by Signature Version 4 in the query string.

boto3 would make them too, but always for "now", so that every answer would carry another URL and
nothing behind them could be cached; and it takes 50 times as long, for each of the 100 images of a
page. The rules are those of the Amazon S3 API Reference, "Authenticating Requests: Using Query
Parameters"; a test compares every byte with boto3's.
"""

import functools
import hashlib
import hmac
from datetime import datetime
from urllib.parse import quote, urlsplit

from app.services.aws import AWSClientFactory
from app.settings import Settings


class Presigner:
    """Signs GET requests for objects of the service's bucket, for whoever holds the URL."""

    def __init__(self, factory: AWSClientFactory, settings: Settings) -> None:
        self._factory = factory
        self._region = settings.aws_region
        endpoint = settings.s3_public_endpoint_url or settings.endpoint_url
        bucket = settings.s3_bucket
        if endpoint:
            self._origin, self._prefix = endpoint, f"/{bucket}"
        elif "." in bucket:  # such a bucket's host name does not match Amazon's certificate
            self._origin, self._prefix = f"https://s3.{self._region}.amazonaws.com", f"/{bucket}"
        else:
            self._origin, self._prefix = f"https://{bucket}.s3.{self._region}.amazonaws.com", ""
        self._host = urlsplit(self._origin).netloc

    def get_url(self, key: str, *, signed_at: datetime, expires_in_seconds: int) -> str:
        """The URL from which the object can be read until `signed_at` plus the seconds have passed."""
        credentials = self._factory.credentials()
        time = signed_at.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{time[:8]}/{self._region}/s3/aws4_request"
        path = self._prefix + "/" + quote(key, safe="/~")
        query = (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Credential={quote(f'{credentials.access_key}/{scope}', safe='')}"
            f"&X-Amz-Date={time}&X-Amz-Expires={expires_in_seconds}"
        )
        if credentials.token:
            query += f"&X-Amz-Security-Token={quote(credentials.token, safe='')}"
        query += "&X-Amz-SignedHeaders=host"
        request = f"GET\n{path}\n{query}\nhost:{self._host}\n\nhost\nUNSIGNED-PAYLOAD"
        text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(_signing_key(credentials.secret_key, time[:8], self._region), text.encode(), "sha256")
        return f"{self._origin}{path}?{query}&X-Amz-Signature={signature.hex()}"


@functools.lru_cache(maxsize=8)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
