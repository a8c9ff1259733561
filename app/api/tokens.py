"""Signed tokens (JWT) that say who is calling. Loaded only with AUTH_MODE=jwt, since cryptography takes its time."""

import logging
import re
from collections.abc import Mapping
from typing import Any, Protocol

import jwt
from jwt.algorithms import get_default_algorithms
from werkzeug.datastructures import Headers

from app.api.jwks import KeySet, fetched_from
from app.errors import InvalidToken, MissingUser, ServiceError
from app.keys import is_user_id
from app.settings import Settings, SettingsError

log = logging.getLogger(__name__)

_MAX_TOKEN_BYTES = 8 * 1024
_LEEWAY_SECONDS = 30
_BEARER = re.compile(r"bearer +(.*)", re.IGNORECASE | re.DOTALL)  # RFC 9110 section 11.1: schemes in any case
_PRIVATE_KEY = "PRIVATE KEY-----"

VerifyingKey = Any  # what PyJWT's algorithms make of a key; of another class for each of them


class Keys(Protocol):
    """The keys that tokens may be signed with."""

    def find(self, key_id: object, /) -> Mapping[str, VerifyingKey]:
        """For each algorithm that the key of this id (`kid`) is good for, the key; empty where there is no such."""


class OneKey:
    """A key that was configured, whatever id a token gives it."""

    def __init__(self, text: str, algorithms: tuple[str, ...]) -> None:
        """Raises SettingsError where it is no key for one of the algorithms."""
        if _PRIVATE_KEY in text:
            raise SettingsError("JWT_KEY is a private key; the service needs only the public one")
        if text.startswith("-----BEGIN"):
            text = text.replace("\\n", "\n")  # as PEM is written where a setting must be one line
        known = get_default_algorithms()
        self._keys: dict[str, VerifyingKey] = {}
        for name in algorithms:
            try:
                key = known[name].prepare_key(text)
            except (ValueError, TypeError, jwt.InvalidKeyError) as error:
                raise SettingsError(f"JWT_KEY is not a key for {name}, which JWT_ALGORITHMS lists") from error
            if problem := known[name].check_key_length(key):
                raise SettingsError(f"JWT_KEY: {problem}")
            self._keys[name] = key

    def find(self, _key_id: object, /) -> Mapping[str, VerifyingKey]:
        return self._keys


class BearerIdentity:
    """The user is whom a signed token names (RFC 6750, RFC 7519), checked as RFC 8725 advises.

    Only algorithms that were configured count, each with keys made for it; whatever a token says
    about where its key is (`jku`, `x5u`, `jwk`) is not looked at.
    """

    challenge = "Bearer"
    scheme: Mapping[str, str] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    failure: type[ServiceError] = InvalidToken

    def __init__(self, keys: Keys, *, issuer: str, audience: str, algorithms: tuple[str, ...], claim: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._algorithms = algorithms
        self._claim = claim

    def user_of(self, headers: Headers) -> str:
        """The user whom the token names. Raises MissingUser, InvalidToken, or BackendUnavailable for want of keys."""
        match = _BEARER.fullmatch(headers.get("Authorization", ""))
        if match is None:
            raise MissingUser("Send a bearer token in the Authorization header.")
        token = match[1]
        if len(token) > _MAX_TOKEN_BYTES:
            raise InvalidToken("The bearer token is too long.")
        try:
            user_id = self._claims(token).get(self._claim)
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken("The bearer token has expired.") from error
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            # Of the token only what kind of thing is wrong with it; the rest may be somebody's secret.
            log.info("token refused", extra={"cause": type(error).__name__})
            raise InvalidToken from error
        if not isinstance(user_id, str) or not is_user_id(user_id):
            raise InvalidToken("The bearer token does not name a valid user.")
        return user_id

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in self._algorithms:
            raise jwt.InvalidAlgorithmError
        key = self._keys.find(header.get("kid")).get(algorithm)
        if key is None:
            raise jwt.InvalidKeyError
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._issuer,
            audience=self._audience,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", self._claim]},
        )
        return claims


def bearer_identity(settings: Settings) -> BearerIdentity:
    """As it is configured. Makes no connection. Raises SettingsError."""
    assert settings.jwt_issuer is not None
    assert settings.jwt_audience is not None
    keys: Keys
    if settings.jwt_key is not None:
        keys = OneKey(settings.jwt_key.get_secret_value(), settings.jwt_algorithms)
    else:
        assert settings.jwt_jwks_url is not None
        keys = KeySet(fetched_from(settings.jwt_jwks_url), settings.jwt_algorithms)
    return BearerIdentity(
        keys,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        algorithms=settings.jwt_algorithms,
        claim=settings.jwt_user_claim,
    )
