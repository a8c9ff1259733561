"""A client of the Image Storage Service: `from app.client import ImageClient`.

It needs urllib3 and nothing else, and knows nothing of the server but its HTTP contract. See `ImageClient`.
"""

from app.client.client import MAX_DELETED_AT_ONCE, UNCHANGED, ImageClient
from app.client.errors import (
    Changed,
    ClientError,
    Conflict,
    ImageRefused,
    NotAllowed,
    NotFound,
    NotIdentified,
    NotThisService,
    QuotaExceeded,
    RateLimited,
    Refused,
    Unavailable,
    UnreadableFile,
    UploadExpired,
    WrongChecksum,
)
from app.client.files import Progress, part_of, sha256_of
from app.client.resources import Deletion, Image, ImageFilter, Limits, Page, Rejection, normalised_tag

__all__ = [
    "MAX_DELETED_AT_ONCE",
    "UNCHANGED",
    "Changed",
    "ClientError",
    "Conflict",
    "Deletion",
    "Image",
    "ImageClient",
    "ImageFilter",
    "ImageRefused",
    "Limits",
    "NotAllowed",
    "NotFound",
    "NotIdentified",
    "NotThisService",
    "Page",
    "Progress",
    "QuotaExceeded",
    "RateLimited",
    "Refused",
    "Rejection",
    "Unavailable",
    "UnreadableFile",
    "UploadExpired",
    "WrongChecksum",
    "normalised_tag",
    "part_of",
    "sha256_of",
]
