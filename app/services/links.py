"""Links to variants that need no identity: what a browser's <img> can show."""

import base64
import hmac
from dataclasses import dataclass
from datetime import datetime

from app.errors import InvalidLink

_MAC_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
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
        self._macs = [hmac.new(key, digestmod="sha256") for key in keys]
        self._lifetime_seconds = lifetime_seconds

    def sign(self, image_id: str, sha256: str, spec_name: str, now: datetime) -> Link:
        """A link that is the same for a slot of half its lifetime, as download URLs are, and good for at least that."""
        slot = self._lifetime_seconds // 2
        expires = int(now.timestamp()) // slot * slot + self._lifetime_seconds
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


def _signature(keyed: hmac.HMAC, image_id: str, version: str, spec_name: str, expires: int) -> str:
    mac = keyed.copy()  # a third faster than beginning with the key, and a page has a hundred links
    mac.update(f"{image_id}\0{version}\0{spec_name}\0{expires}".encode())
    return base64.urlsafe_b64encode(mac.digest()[:_MAC_BYTES]).rstrip(b"=").decode()
