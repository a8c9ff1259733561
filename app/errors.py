"""Every way in which the product can refuse or fail, by name.

Nothing here knows HTTP: `app/api/problems.py` gives each of these its status. `code` never changes:
clients read it, in answers and in the reason of a rejected upload. `detail` is shown to callers, so
it never holds a key, a bucket, or another user's data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """One invalid field of a request: its name as the client wrote it, and what is wrong with it."""

    field: str
    message: str


class ServiceError(Exception):
    """Base of all named failures. `str(error)` is a sentence for the person who called."""

    code: ClassVar[str]
    default_detail = "The request could not be served."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.default_detail)


class InvalidRequest(ServiceError):
    code = "invalid_request"
    default_detail = "The request is not valid."

    def __init__(self, detail: str | None = None, *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)


class InvalidUser(ServiceError):
    code = "invalid_user"
    default_detail = "X-User-ID must be given once, with 1 to 128 characters of A-Z a-z 0-9 . _ - @ : + = |."


class MissingUser(ServiceError):
    code = "missing_user"
    default_detail = "Say who you are in the X-User-ID header."


class InvalidToken(ServiceError):
    code = "invalid_token"
    default_detail = "The bearer token is not valid."


class InvalidCursor(ServiceError):
    code = "invalid_cursor"
    default_detail = "The cursor was altered, or belongs to another user or other filters. Start again without one."


class IncompleteBody(ServiceError):
    code = "incomplete_body"
    default_detail = "The request body is shorter or longer than announced. Nothing was stored; send it again."


class LengthRequired(ServiceError):
    code = "length_required"
    default_detail = "Send Content-Length, or a chunked body."


class ChecksumMismatch(ServiceError):
    code = "checksum_mismatch"
    default_detail = "The bytes received do not match the checksum sent with them. Nothing was stored; send them again."


class NotOwner(ServiceError):
    code = "not_owner"
    default_detail = "This image belongs to another user."


class ForeignOrigin(ServiceError):
    """A browser says that a page of somebody else's makes it change something here."""

    code = "foreign_origin"
    default_detail = "This page's origin may not use the service. Its operator can list it in API_CORS_ORIGINS."


class InvalidLink(ServiceError):
    code = "invalid_link"
    default_detail = "The link was altered, or is not from this service. Use the one in the image's current metadata."


class ImageNotFound(ServiceError):
    code = "image_not_found"
    default_detail = "There is no such image."


class PreconditionFailed(ServiceError):
    code = "precondition_failed"
    default_detail = "The image has changed in the meantime. Read it again before you change or delete it."


class ImageTooLarge(ServiceError):
    code = "image_too_large"
    default_detail = "The request is larger than this service accepts."


class UnsupportedImageType(ServiceError):
    code = "unsupported_image_type"
    default_detail = "The bytes are not a JPEG, PNG, GIF or WebP image."


class InvalidImage(ServiceError):
    code = "invalid_image"
    default_detail = "The image cannot be decoded."


class Overloaded(ServiceError):
    """This process is already decoding as much as its memory allows; shortly there is room again."""

    code = "overloaded"
    default_detail = "Too many images are being processed at the moment. Try again shortly."


class RangeNotSatisfiable(ServiceError):
    code = "range_not_satisfiable"
    default_detail = "The range starts beyond the end of the image."

    def __init__(self, *, complete_length: int) -> None:
        super().__init__()
        self.complete_length = complete_length


class IdempotencyConflict(ServiceError):
    code = "idempotency_conflict"
    default_detail = "This Idempotency-Key was used for another request. Choose a new one."


class RequestInProgress(ServiceError):
    code = "request_in_progress"
    default_detail = "The same request is still being processed. Repeat it shortly to get its answer."


class UploadNotPending(ServiceError):
    code = "upload_not_pending"
    default_detail = "This image is not waiting for an upload."


class UploadRejected(ServiceError):
    """What was uploaded straight to the bucket is not an image that the service accepts; `detail` says why."""

    code = "upload_rejected"
    default_detail = "The uploaded file was not accepted."


class UploadExpired(ServiceError):
    code = "upload_expired"
    default_detail = "The upload did not arrive in time. Begin a new one."


class RateLimited(ServiceError):
    """Too many requests in a period."""

    code = "rate_limited"
    default_detail = "Too many requests. Try again after the seconds given in Retry-After."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class QuotaExceeded(ServiceError):
    """The user has as many images or bytes as the quota allows. Waiting does not help, deleting does."""

    code = "quota_exceeded"
    default_detail = "Your quota is used up (see GET /api/v1/usage). Delete something and try again."


class BackendUnavailable(ServiceError):
    """A store is down, gone, slow or throttling; the same request may succeed a little later.

    So it may where the store is fine, but others kept changing the same image: then it is `contended`.
    """

    code = "backend_unavailable"
    default_detail = "Storage is not available at the moment. Try again shortly."

    def __init__(self, store: str, *, contended: bool = False) -> None:
        super().__init__()
        self.store = store
        self.contended = contended

    @property
    def cause(self) -> str | None:
        """What went wrong, in a word for the log; None where the store answered, but not as it should."""
        if self.contended:
            return "contention"
        return type(self.__cause__).__name__ if self.__cause__ else None


class NotReady(ServiceError):
    """Not all stores answer, which is all that was asked; `checks` says of each whether it is ok or failing."""

    code = "backend_unavailable"
    default_detail = "Not all stores answer."

    def __init__(self, checks: Mapping[str, str]) -> None:
        super().__init__()
        self.checks = checks
