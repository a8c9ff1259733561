"""What clients say of the bytes that they send: their SHA-256, in one of three headers."""

import base64
import binascii
import hashlib
import re

from flask import Request

from app.errors import ChecksumMismatch, FieldError, InvalidRequest

# RFC 9530 section 2: a dictionary of byte sequences (RFC 8941), of which one is looked for.
_SHA256_DIGEST = re.compile(r"(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/=]*):")


def sent_digests(request: Request) -> list[bytes]:
    """The SHA-256 values that the client sent with the request. Raises InvalidRequest where one is none."""
    values = []
    for name in ("Repr-Digest", "Content-Digest"):
        header = request.headers.get(name, "")
        found = _SHA256_DIGEST.findall(header)
        values += [(name, value) for value in found]
        if not found and "sha-256" in header.lower():
            raise InvalidRequest(errors=[FieldError(name, "must be sha-256=:<base64>:")])
    if (checksum := request.headers.get("X-Amz-Checksum-Sha256")) is not None:
        values.append(("X-Amz-Checksum-Sha256", checksum))
    digests = []
    for name, value in values:
        try:
            digest = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidRequest(errors=[FieldError(name, "is not base64")]) from error
        if len(digest) != hashlib.sha256().digest_size:
            raise InvalidRequest(errors=[FieldError(name, "is not a SHA-256 value")])
        digests.append(digest)
    return digests


def check_digests(sent: list[bytes], *computed: bytes) -> None:
    """Each value sent must be that of the file, or of the whole body around it: both prove the file.

    Raises ChecksumMismatch.
    """
    if any(digest not in computed for digest in sent):
        raise ChecksumMismatch
