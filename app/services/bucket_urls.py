"""URLs by which clients read from the bucket themselves, and what answers say about a file's name."""

import functools
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from app.keys import variant_prefix
from app.models import Image
from app.services.presign import Presigner

# The object never changes, and only its owner was given the URL.
CACHE_CONTROL = "private, max-age=31536000, immutable"


class BucketUrls:
    """Presigned URLs of one moment, which all expire together: at `expires_at`."""

    def __init__(self, presigner: Presigner, now: datetime, *, lifetime_seconds: int) -> None:
        """Time is cut into slots of half the lifetime and URLs are signed as of their slot's start.

        Within a slot an object's URL is the same string, so that browsers can cache what is behind it,
        and it is good for at least half the lifetime (less only where temporary credentials end
        sooner). It says which headers the answer has, because an object that came straight to the
        bucket has those that its client sent.
        """
        slot = lifetime_seconds // 2
        signed_at = datetime.fromtimestamp(now.timestamp() // slot * slot, UTC)
        self.expires_at = signed_at + timedelta(seconds=lifetime_seconds)
        self._signer = presigner.get_urls(signed_at=signed_at, expires_in_seconds=lifetime_seconds)

    def image(self, image: Image, *, attachment: bool = False) -> str:
        """The image, to be shown or as an attachment."""
        disposition = short_disposition("attachment" if attachment else "inline", image.filename)
        return self._url(image.object_key, image.content_type, disposition)

    def variant(self, image_id: str, name: str, *, media_type: str, filename: str) -> str:
        """A variant that was made, shown under a filename."""
        return self._url(variant_prefix(image_id) + name, media_type, short_disposition("inline", filename))

    def _url(self, key: str, media_type: str, disposition: str) -> str:
        # A filename is percent-encoded already, so that of it the % alone is left; all else is the same in most URLs.
        kind, marks, filename = disposition.partition("''")
        return self._signer.url(
            key,
            f"&response-cache-control={_quoted(CACHE_CONTROL)}"
            f"&response-content-disposition={_quoted(kind + marks)}{filename.replace('%', '%25')}"
            f"&response-content-type={_quoted(media_type)}",
        )


@functools.lru_cache(maxsize=64)
def _quoted(value: str) -> str:
    return quote(value, safe="")


def short_disposition(kind: str, filename: str) -> str:
    """For the object itself, whose system metadata may hold 2 KB, and for URLs to it.

    Amazon S3 User Guide, "Working with object metadata".
    """
    value = content_disposition(kind, filename)
    return value if len(value) <= 1024 else kind


def content_disposition(kind: str, filename: str) -> str:
    """The header's value: `kind` is inline or attachment, the name in RFC 8187's encoding (RFC 6266)."""
    return f"{kind}; filename*=UTF-8''{quote(filename, safe='')}"
