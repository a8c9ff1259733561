"""Cursors: where a list goes on, for the client to carry and not to read."""

import base64
import binascii
import hmac

import orjson

from app.errors import InvalidCursor

_MAC_BYTES = 16


class CursorSigner:
    """Turns a position into a short opaque text and back, authenticated with HMAC-SHA-256 (RFC 2104).

    The user and the filters go into the authentication and not into the text, so a cursor is only
    good for the list that it came from. The first secret signs; all of them are good to verify.
    """

    def __init__(self, *secrets: str) -> None:
        self._keys = [hmac.digest(secret.encode(), b"cursor", "sha256") for secret in secrets]

    def sign(self, position: tuple[str, ...], *, scope: str) -> str:
        payload = orjson.dumps(position)
        return _as_text(_mac(self._keys[0], payload, scope) + payload)

    def verify(self, cursor: str, *, scope: str) -> tuple[str, ...]:
        """The position in the cursor. Raises InvalidCursor unless it was signed for this scope."""
        try:
            raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise InvalidCursor from error
        if _as_text(raw) != cursor:  # other spellings of the same bytes are alterations too
            raise InvalidCursor
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, payload, scope)) for key in self._keys):
            raise InvalidCursor
        position: list[str] = orjson.loads(payload)
        return tuple(position)


def _mac(key: bytes, payload: bytes, scope: str) -> bytes:
    return hmac.digest(key, scope.encode() + b"\0" + payload, "sha256")[:_MAC_BYTES]


def _as_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
