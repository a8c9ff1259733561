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
    good for the list that it came from.
    """

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"cursor", "sha256")

    def sign(self, position: tuple[str, ...], *, scope: str) -> str:
        payload = orjson.dumps(position)
        return _as_text(self._mac(payload, scope) + payload)

    def verify(self, cursor: str, *, scope: str) -> tuple[str, ...]:
        """The position in the cursor. Raises InvalidCursor unless it was signed for this scope."""
        try:
            raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise InvalidCursor from error
        if _as_text(raw) != cursor:  # other spellings of the same bytes are alterations too
            raise InvalidCursor
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, scope)):
            raise InvalidCursor
        position: list[str] = orjson.loads(payload)
        return tuple(position)

    def _mac(self, payload: bytes, scope: str) -> bytes:
        return hmac.digest(self._key, scope.encode() + b"\0" + payload, "sha256")[:_MAC_BYTES]


def _as_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
