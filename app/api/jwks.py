"""The keys that an issuer publishes (a JWK Set, RFC 7517), kept and fetched again when that may help.

PyJWT's own client holds a lock while it fetches and waits between fetches only after one that
succeeded: with the issuer down, tokens with made-up key ids would stop those of everybody else.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jwt
import orjson
import urllib3

from app.errors import BackendUnavailable

log = logging.getLogger(__name__)

FRESH_SECONDS = 300  # a key that the issuer withdraws counts this long
STALE_SECONDS = 3600  # and this long where the issuer cannot be asked
PAUSE_SECONDS = 10  # between two fetches, whatever tokens say and whether the first succeeded
_FETCH_SECONDS = 3.0
_MAX_BYTES = 256 * 1024

KeysById = Mapping[str, Mapping[str, Any]]


class KeySet:
    """An issuer's keys by id and algorithm. Safe for threads: one fetches, and others wait only for the first keys."""

    def __init__(
        self,
        fetch: Callable[[], bytes],
        algorithms: tuple[str, ...],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._algorithms = algorithms
        self._monotonic = monotonic
        self._fetching = threading.Lock()
        self._keys: KeysById = {}
        self._fetched_at = -float("inf")
        self._tried_at = -float("inf")

    def find(self, key_id: object, /) -> Mapping[str, Any]:
        """The key of this id for each algorithm that it is good for; empty where there is no such.

        Raises BackendUnavailable where the issuer cannot be asked and what is known is too old.
        """
        if self._age() > STALE_SECONDS:
            with self._fetching:
                self._refresh()
        elif (key_id not in self._keys or self._age() > FRESH_SECONDS) and self._fetching.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._fetching.release()
        if self._age() > STALE_SECONDS:
            raise BackendUnavailable("jwks")
        return self._keys.get(key_id, {}) if isinstance(key_id, str) else {}

    def _age(self) -> float:
        return self._monotonic() - self._fetched_at

    def _refresh(self) -> None:
        if self._monotonic() - self._tried_at < PAUSE_SECONDS:
            return
        try:
            self._keys = parsed_keys(self._fetch(), self._algorithms)
            self._fetched_at = self._monotonic()
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            log.error("no keys from the issuer", extra={"cause": str(error)})
        finally:
            self._tried_at = self._monotonic()


def parsed_keys(document: bytes, algorithms: tuple[str, ...]) -> KeysById:
    """The keys of a JWK Set with an id, made for signatures, and fit for one of the algorithms.

    Others are passed over, as RFC 7517 section 5 says. Raises ValueError where it is no JWK Set,
    or has none that can be used: then what was known before is better.
    """
    match orjson.loads(document):
        case {"keys": list(entries)}:
            pass
        case _:
            raise ValueError("not a JWK Set")
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
            continue
        keys = {name: key for name in algorithms if (key := _key(entry, name)) is not None}
        if keys:
            found.setdefault(entry["kid"], MappingProxyType(keys))
    if not found:
        raise ValueError("a JWK Set without a key that can be used")
    return found


def _key(entry: dict[str, Any], algorithm: str) -> Any | None:
    """The key for the algorithm, or None where it is for another, weak, or no key."""
    if entry.get("alg", algorithm) != algorithm:
        return None
    try:
        made = jwt.PyJWK(entry, algorithm)
        key = made.Algorithm.prepare_key(made.key)  # refuses a curve of another algorithm
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return None if made.Algorithm.check_key_length(key) else key


def fetched_from(url: str) -> Callable[[], bytes]:
    """A function that reads the URL; it raises urllib3's HTTPError, or ValueError. No connection is made here."""
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(total=_FETCH_SECONDS), retries=False, num_pools=1)

    def fetch() -> bytes:
        deadline = time.monotonic() + _FETCH_SECONDS
        response = pool.request("GET", url, redirect=False, preload_content=False)
        try:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            document = b""
            while piece := response.read1(65536):
                document += piece
                if len(document) > _MAX_BYTES or time.monotonic() > deadline:
                    raise ValueError("too long, or too slow")
            return document
        finally:
            response.close()

    return fetch
