"""Every way in which a call of the client can fail. `str(error)` is a sentence for a person."""

from collections.abc import Mapping


class ClientError(Exception):
    """Base of all failures of the client."""


class Unavailable(ClientError):
    """No answer after all attempts, one that does not come to its end, or none that this service would give."""


class NotThisService(Unavailable):
    """Something answers, but not as this service does: another program, another version, or an attacker."""

    def __init__(self, detail: str = "The server is no Image Storage Service, or runs another version of it.") -> None:
        super().__init__(detail)


class UnreadableFile(ClientError):
    """The file to upload cannot be read, or changed while it was being read."""


class WrongChecksum(ClientError):
    """What arrived is not what was stored. It was thrown away; the call may be repeated."""


class Refused(ClientError):
    """The service refused. `code` is its stable word for the reason, `fields` says what is wrong with which field."""

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str,
        fields: Mapping[str, str] | None = None,
        request_id: str | None = None,
        repeated: bool = False,
    ) -> None:
        self.fields = dict(fields or {})
        super().__init__(" ".join([detail, *(f"{name} {message}." for name, message in self.fields.items())]))
        self.status = status
        self.code = code
        self.request_id = request_id
        self.repeated = repeated
        """Whether an earlier attempt, whose answer was lost, may have been carried out."""


class NotIdentified(Refused):
    """The service does not know who is calling, or does not believe it."""


class NotAllowed(Refused):
    """The image belongs to another user."""


class NotFound(Refused):
    """There is no such image."""


class Conflict(Refused):
    """The key of the request was used for another one."""


class Changed(Refused):
    """The image has changed in the meantime: read it again, then decide."""


class UploadExpired(Refused):
    """The direct upload did not arrive in time, and needs to be begun anew."""


class ImageRefused(Refused):
    """The file is too large, of no supported format, or does not decode."""


class RateLimited(Refused):
    """Too many requests, for longer than the client is willing to wait."""


class QuotaExceeded(Refused):
    """The user has as many images, or bytes, as one may have."""


_BY_STATUS: Mapping[int, type[Refused]] = {
    401: NotIdentified,
    403: NotAllowed,
    404: NotFound,
    410: UploadExpired,
    412: Changed,
    413: ImageRefused,
    415: ImageRefused,
    422: ImageRefused,
    429: RateLimited,
}
_BY_CODE: Mapping[str, type[Refused]] = {
    "idempotency_conflict": Conflict,
    "invalid_user": NotIdentified,
    "quota_exceeded": QuotaExceeded,
    "upload_rejected": ImageRefused,
}


def refusal_class(status: int, code: str) -> type[Refused]:
    """How the client names a problem of the service (docs/api.md, "Errors")."""
    return _BY_CODE.get(code) or _BY_STATUS.get(status, Refused)
