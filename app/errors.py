"""Every way in which the product can refuse or fail, by name.

Nothing here knows HTTP: `app/api/problems.py` gives each of these its status and code.
`detail` is shown to callers, so it never holds a key, a bucket, or another user's data.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One invalid field of a request: its name as the client wrote it, and what is wrong with it."""

    field: str
    message: str


class ServiceError(Exception):
    """Base of all named failures. `str(error)` is a sentence for the person who called."""

    default_detail = "The request could not be served."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.default_detail)


class InvalidRequest(ServiceError):
    default_detail = "The request is not valid."

    def __init__(self, detail: str | None = None, *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)


class InvalidUser(ServiceError):
    default_detail = "X-User-ID must be 1 to 128 of A-Z a-z 0-9 . _ - @ : + = | and given once."


class MissingUser(ServiceError):
    default_detail = "Say who you are in the X-User-ID header."


class InvalidCursor(ServiceError):
    default_detail = "The cursor was altered, or belongs to another user or other filters. Start again without one."


class IncompleteBody(ServiceError):
    default_detail = "The request body is shorter or longer than announced. Nothing was stored; send it again."


class LengthRequired(ServiceError):
    default_detail = "Send Content-Length, or a chunked body."


class ChecksumMismatch(ServiceError):
    default_detail = "The bytes received do not have the checksum sent with them. Nothing was stored; send them again."


class NotOwner(ServiceError):
    default_detail = "This image belongs to another user."


class ImageNotFound(ServiceError):
    default_detail = "There is no such image."


class PreconditionFailed(ServiceError):
    default_detail = "The image was changed meanwhile. Read it again before you change or delete it."


class ImageTooLarge(ServiceError):
    default_detail = "The request is larger than this service accepts."


class UnsupportedImageType(ServiceError):
    default_detail = "The bytes are not a JPEG, PNG, GIF or WebP image."


class InvalidImage(ServiceError):
    default_detail = "The image cannot be decoded."


class RangeNotSatisfiable(ServiceError):
    default_detail = "The range starts beyond the end of the image."

    def __init__(self, *, complete_length: int) -> None:
        super().__init__()
        self.complete_length = complete_length


class BackendUnavailable(ServiceError):
    """A store is down, slow or throttling; the same request may succeed a little later."""

    default_detail = "A store does not answer at the moment. Try again shortly."

    def __init__(self, store: str) -> None:
        super().__init__()
        self.store = store
