"""Links to variants that need no identity: what a browser's <img> can show."""

import base64
import hmac
from datetime import datetime
from typing import NamedTuple

from app.errors import InvalidLink
from app.services.mac import Mac

_MAC_BYTES = 16


class Link(NamedTuple):
    """What a link shows, until when (seconds since 1970), and the signature that says we made it.

    `version` is the beginning of the SHA-256 of the image's bytes.
    """

    image_id: str
    version: str
    spec_name: str
    expires: int
    signature: str


class LinkSigner:
    """Signs links with HMAC-SHA-256 (RFC 2104). The first secret signs; all of them are good to verify."""

    def __init__(self, *secrets: str, lifetime_seconds: int) -> None:
        keys = [hmac.digest(secret.encode(), b"variant link", "sha256") for secret in secrets]
        self._macs = [Mac(key) for key in keys]
        self._lifetime_seconds = lifetime_seconds

    def expires(self, now: datetime) -> int:
        """Until when a link of now is good: the same for a slot of half the lifetime, as with download URLs."""
        slot = self._lifetime_seconds // 2
        return int(now.timestamp()) // slot * slot + self._lifetime_seconds

    def sign(self, image_id: str, sha256: str, spec_name: str, expires: int) -> Link:
        """A link that is good until then."""
        version = sha256[:12]
        signature = _signature(self._macs[0], image_id, version, spec_name, expires)
        return Link(image_id=image_id, version=version, spec_name=spec_name, expires=expires, signature=signature)

    def verify(self, link: Link, now: datetime) -> None:
        """Raises InvalidLink unless we made it and it has not expired."""
        made = [_signature(mac, link.image_id, link.version, link.spec_name, link.expires) for mac in self._macs]
        given = link.signature.encode()  # compare_digest wants ASCII, or bytes
        if not any(hmac.compare_digest(given, signature.encode()) for signature in made):
            raise InvalidLink
        if link.expires <= now.timestamp():
            raise InvalidLink("The link has expired. Use the one in the image's current metadata.")


def _signature(mac: Mac, image_id: str, version: str, spec_name: str, expires: int) -> str:
    signed = mac.digest(f"{image_id}\0{version}\0{spec_name}\0{expires}".encode())
    return base64.urlsafe_b64encode(signed[:_MAC_BYTES]).rstrip(b"=").decode()
