"""How often a user, and an address, may ask. Off unless configured: a gateway in front sees more than one process does.

In memory each process counts for itself, so N processes let up to N times as much through; with
Redis all count together. Where Redis does not answer, requests pass: limits keep the service
usable, and must not be what takes it down.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from flask import Response
from werkzeug.wrappers import Request

from app.settings import Settings

if TYPE_CHECKING:
    from app.api.rate_windows import Windows

Who = Literal["user", "address"]

# As gateways write addresses that have a port, or may have one; a bare IPv6 address is neither.
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left to somebody of one limit."""

    who: Who
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int
    passed: bool
    """Whether this request was within it."""


class RateLimits:
    """The limits of one application."""

    def __init__(self, settings: Settings) -> None:
        """Makes no connection."""
        self._trusts_proxy = settings.trusted_proxy
        self._windows = _windows(settings)

    @property
    def are_on(self) -> bool:
        return self._windows is not None

    def count_user(self, user_id: str) -> Standing | None:
        return self._windows.count("user", user_id) if self._windows else None

    def count_address(self, request: Request) -> Standing | None:
        if self._windows is None:
            return None
        return self._windows.count("address", client_address(request, trusts_proxy=self._trusts_proxy))


def _windows(settings: Settings) -> "Windows | None":
    given: dict[Who, str | None] = {"user": settings.rate_limit_per_user, "address": settings.rate_limit_per_address}
    limits = {who: text for who, text in given.items() if text}
    if not limits:
        return None
    from app.api.rate_windows import Windows  # noqa: PLC0415 - for those who set limits only

    storage = settings.rate_limit_storage
    return Windows(limits, storage.get_secret_value() if storage else None)


def show(response: Response, standings: Sequence[Standing]) -> None:
    """Tell the client where it stands (draft-ietf-httpapi-ratelimit-headers-10)."""
    if standings:
        policies = [f'"{it.who}";q={it.limit};w={it.window_seconds}' for it in standings]
        left = [f'"{it.who}";r={it.remaining};t={it.reset_seconds}' for it in standings]
        response.headers["RateLimit-Policy"] = ", ".join(policies)
        response.headers["RateLimit"] = ", ".join(left)


def client_address(request: Request, *, trusts_proxy: bool) -> str:
    """The client's address: of IPv6 the network of 64 bits, which is what one client gets.

    Behind a gateway it is what that has added to X-Forwarded-For, the last entry; those before it
    are the client's own words.
    """
    given = request.remote_addr or ""
    if trusts_proxy and (forwarded := request.headers.get("X-Forwarded-For")):
        given = forwarded.rpartition(",")[2].strip()
        if host := _HOST.fullmatch(given):
            given = host[1] or host[2]
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:  # where one socket listens for both
        address = address.ipv4_mapped
    if address.version == 6:
        return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
    return str(address)
