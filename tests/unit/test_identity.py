"""Who a token or a header makes the caller, and what makes nobody of it."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from werkzeug.datastructures import Headers

from app.api.identity import HeaderIdentity, identity_for
from app.api.jwks import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, KeySet, fetched_from, parsed_keys
from app.api.tokens import BearerIdentity
from app.errors import BackendUnavailable, InvalidToken, InvalidUser, MissingUser
from app.settings import SettingsError
from tests.conftest import test_settings

ISSUER, AUDIENCE = "https://issuer.example", "images"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
EC_384_KEY = ec.generate_private_key(ec.SECP384R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
RSA_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SECRET = "correct-horse-battery-staple-0123456789"


def claims(**changes: object) -> dict[str, object]:
    """What a good token says, with changes; None leaves a claim out."""
    now = time.time()
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300}
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(key: Any = RSA_KEY, algorithm: str = "RS256", kid: str | None = "k1", **changes: object) -> str:
    headers = {"kid": kid} if kid else {}
    return jwt.encode(claims(**changes), key, algorithm, headers=headers)


def unsigned(header: Mapping[str, object], **changes: object) -> str:
    """A token with this header and no signature."""
    parts = (json.dumps(part).encode() for part in (header, claims(**changes)))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def bearer(text: str) -> Headers:
    return Headers({"Authorization": f"Bearer {text}"})


def jwk(key: Any, kid: str | None = "k1", **members: object) -> dict[str, object]:
    algorithms = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256"}
    name = next((name for kind, name in algorithms.items() if isinstance(key, kind)), "EdDSA")
    made: dict[str, object] = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return made | ({"kid": kid} if kid else {}) | members


def jwks(*keys: dict[str, object]) -> bytes:
    return json.dumps({"keys": keys}).encode()


class Issuer:
    """Publishes keys, counts how often it is asked, and has a clock that stands still."""

    def __init__(self, *keys: dict[str, object]) -> None:
        self.document = jwks(*keys)
        self.fails = False
        self.asked = 0
        self.now = 1000.0

    def fetch(self) -> bytes:
        self.asked += 1
        if self.fails:
            raise ValueError("status 500")
        return self.document

    def keys(self, *algorithms: str) -> KeySet:
        return KeySet(self.fetch, algorithms or ("RS256", "ES256"), monotonic=lambda: self.now)

    def identity(self, *algorithms: str) -> BearerIdentity:
        names = algorithms or ("RS256", "ES256")
        return BearerIdentity(self.keys(*names), issuer=ISSUER, audience=AUDIENCE, algorithms=names, claim="sub")


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(jwk(RSA_KEY), jwk(EC_KEY, "k2"))


@pytest.fixture
def identity(issuer: Issuer) -> BearerIdentity:
    return issuer.identity()


def configured(**changes: object) -> BearerIdentity:
    settings = {
        "auth_mode": "jwt",
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "jwt_key": SECRET,
        "jwt_algorithms": "HS256",
    }
    made = identity_for(test_settings(**(settings | changes)))
    assert isinstance(made, BearerIdentity)
    return made


# Good tokens


def test_a_token_names_the_user(identity: BearerIdentity) -> None:
    assert identity.user_of(bearer(token())) == "alice"
    assert identity.user_of(bearer(token(EC_KEY, "ES256", "k2"))) == "alice"


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_the_scheme_is_read_in_any_case(identity: BearerIdentity, scheme: str) -> None:
    assert identity.user_of(Headers({"Authorization": scheme + token()})) == "alice"


def test_a_token_may_be_for_several_audiences(identity: BearerIdentity) -> None:
    assert identity.user_of(bearer(token(aud=["other", AUDIENCE]))) == "alice"


def test_clocks_may_differ_by_a_little(identity: BearerIdentity) -> None:
    now = time.time()
    assert identity.user_of(bearer(token(exp=now - 20, nbf=now + 20, iat=now + 20))) == "alice"


def test_another_claim_can_name_the_user() -> None:
    named = configured(jwt_user_claim="email")
    text = token(SECRET, "HS256", email="alice@example.com", sub="ignored")
    assert named.user_of(bearer(text)) == "alice@example.com"
    with pytest.raises(InvalidToken):
        named.user_of(bearer(token(SECRET, "HS256")))


@pytest.mark.parametrize("pem", [RSA_PEM, RSA_PEM.replace("\n", "\\n")], ids=["lines", "one line"])
def test_a_configured_public_key_checks_tokens_whatever_id_they_give(pem: str) -> None:
    identity = configured(jwt_key=pem, jwt_algorithms="RS256")
    assert identity.user_of(bearer(token())) == "alice"
    assert identity.user_of(bearer(token(kid=None))) == "alice"
    with pytest.raises(InvalidToken):
        identity.user_of(bearer(token(OTHER_RSA_KEY)))


# Tokens that do not count


@pytest.mark.parametrize("value", [None, "", "Basic YTpi", "Bearer", "Bearerx", "Token abc"])
def test_without_a_bearer_token_there_is_no_user(identity: BearerIdentity, value: str | None) -> None:
    with pytest.raises(MissingUser):
        identity.user_of(Headers({"Authorization": value} if value is not None else {}))


def test_the_identity_header_is_ignored(identity: BearerIdentity) -> None:
    with pytest.raises(MissingUser):
        identity.user_of(Headers({"X-User-ID": "mallory"}))
    assert identity.user_of(Headers({"X-User-ID": "mallory", "Authorization": f"Bearer {token()}"})) == "alice"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"iss": None},
        {"aud": None},
        {"sub": None},
        {"exp": 1},
        {"exp": time.time() - 40},
        {"exp": "soon"},
        {"exp": float("1e400")},
        {"nbf": time.time() + 3000},
        {"iat": time.time() + 3000},
        {"iss": "https://issuer.example.evil"},
        {"iss": [ISSUER]},
        {"aud": "other"},
        {"aud": []},
        {"aud": {"images": 1}},
    ],
)
def test_a_token_that_is_not_for_here_and_now_is_refused(identity: BearerIdentity, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidToken):
        identity.user_of(bearer(raw_token(changes)))


def raw_token(changes: dict[str, object]) -> str:
    """Signed as it is: PyJWT itself refuses to make tokens with nonsense in the claims."""
    payload = json.dumps(claims(**changes)).encode()
    return jwt.api_jws.encode(payload, RSA_KEY, "RS256", headers={"kid": "k1", "typ": "JWT"})


@pytest.mark.parametrize("sub", ["", "a b", "../x", "x" * 129, 17, ["alice"], {"a": 1}, True, "alice\n", "."], ids=str)
def test_a_token_must_name_a_user_as_the_service_knows_them(identity: BearerIdentity, sub: object) -> None:
    with pytest.raises(InvalidToken):
        identity.user_of(bearer(raw_token({"sub": sub})))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, "HS256", "RS384", "PS256", ["RS256"], {"a": 1}, 5])
def test_an_algorithm_that_is_not_allowed_is_refused(identity: BearerIdentity, alg: object) -> None:
    with pytest.raises(InvalidToken):
        identity.user_of(bearer(unsigned({"alg": alg, "kid": "k1", "typ": "JWT"})))


def test_a_public_key_is_never_taken_for_a_secret(identity: BearerIdentity) -> None:
    signer = jwt.get_algorithm_by_name("HS256")
    for header in ({"alg": "HS256", "kid": "k1"}, {"alg": "RS256", "kid": "k1"}):
        signed = unsigned(header)[:-1]
        signature = base64.urlsafe_b64encode(signer.sign(signed.encode(), RSA_PEM.encode())).rstrip(b"=").decode()
        for checker in (identity, configured(jwt_key=RSA_PEM, jwt_algorithms="RS256")):
            with pytest.raises(InvalidToken):
                checker.user_of(bearer(f"{signed}.{signature}"))


def test_a_key_counts_for_its_own_algorithm_only(identity: BearerIdentity) -> None:
    for text in (token(EC_KEY, "ES256", "k1"), token(RSA_KEY, "RS256", "k2"), token(OTHER_RSA_KEY), token(kid=None)):
        with pytest.raises(InvalidToken):
            identity.user_of(bearer(text))


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_where_a_token_says_its_key_is_is_not_looked_at(issuer: Issuer, name: str) -> None:
    with published(jwks(jwk(OTHER_RSA_KEY))) as (url, asked):
        text = jwt.encode(claims(), OTHER_RSA_KEY, "RS256", headers={"kid": "k1", name: url})
        with pytest.raises(InvalidToken):
            issuer.identity().user_of(bearer(text))
    assert asked == []


def test_a_key_inside_of_a_token_is_not_looked_at(identity: BearerIdentity) -> None:
    headers = {"kid": "k1", "jwk": jwk(OTHER_RSA_KEY)}
    with pytest.raises(InvalidToken):
        identity.user_of(bearer(jwt.encode(claims(), OTHER_RSA_KEY, "RS256", headers=headers)))


def test_an_extension_that_is_critical_and_unknown_is_refused(identity: BearerIdentity) -> None:
    headers = {"kid": "k1", "crit": ["exp"], "exp": 1}
    with pytest.raises(InvalidToken):
        identity.user_of(bearer(jwt.encode(claims(), RSA_KEY, "RS256", headers=headers)))


def test_a_token_that_was_altered_is_refused(identity: BearerIdentity) -> None:
    header, payload, signature = token().split(".")
    forged = unsigned({}, sub="bob").split(".")[1]
    for text in (f"{header}.{forged}.{signature}", f"{header}.{payload}.", f"{header}.{payload}.{signature[:-8]}"):
        with pytest.raises(InvalidToken):
            identity.user_of(bearer(text))


@pytest.mark.parametrize(
    "text",
    ["", "x", "a.b", "a.b.c", "....", "ä.ö.ü", "\0", "a b", "e30.e30.e30", "W10.W10.", "bnVsbA.e30.", "x" * 8192],
)
def test_nonsense_is_refused(identity: BearerIdentity, text: str) -> None:
    with pytest.raises(InvalidToken):
        identity.user_of(bearer(text))


def test_deeply_nested_json_is_refused(identity: BearerIdentity) -> None:
    nested = base64.urlsafe_b64encode(b"[" * 5000).rstrip(b"=").decode()
    with pytest.raises(InvalidToken):
        identity.user_of(bearer(f"{nested}.e30.e30"))


def test_two_tokens_are_refused(identity: BearerIdentity) -> None:
    with pytest.raises(InvalidToken):  # as WSGI joins a header sent twice
        identity.user_of(bearer(f"{token()},Bearer {token()}"))


def test_a_token_above_8_kib_is_refused_unread(issuer: Issuer) -> None:
    with pytest.raises(InvalidToken, match="too long"):
        issuer.identity().user_of(bearer(token(padding="x" * 8192)))
    assert issuer.asked == 0


# Keys that are published


def test_keys_are_fetched_once_and_kept(issuer: Issuer) -> None:
    identity = issuer.identity()
    for _ in range(10):
        identity.user_of(bearer(token()))
    assert issuer.asked == 1


def test_a_new_key_is_found_after_rotation(issuer: Issuer) -> None:
    identity = issuer.identity()
    identity.user_of(bearer(token()))
    issuer.document = jwks(jwk(OTHER_RSA_KEY, "k3"))
    issuer.now += PAUSE_SECONDS
    assert identity.user_of(bearer(token(OTHER_RSA_KEY, kid="k3"))) == "alice"
    with pytest.raises(InvalidToken):  # and the old one is gone
        identity.user_of(bearer(token()))


def test_a_withdrawn_key_stops_counting_by_itself(issuer: Issuer) -> None:
    identity = issuer.identity()
    identity.user_of(bearer(token()))
    issuer.document = jwks(jwk(OTHER_RSA_KEY, "k3"))
    issuer.now += FRESH_SECONDS + 1
    with pytest.raises(InvalidToken):
        identity.user_of(bearer(token()))


@pytest.mark.parametrize("fails", [False, True])
def test_a_flood_of_unknown_keys_costs_one_fetch_in_a_while(issuer: Issuer, fails: bool) -> None:
    keys = issuer.keys()
    keys.find("k1")
    issuer.fails = fails
    for number in range(1000):
        issuer.now += PAUSE_SECONDS / 256
        assert keys.find(f"made up {number}") == {}
    assert issuer.asked == 1 + 1000 // 256
    assert keys.find("k1")


def test_users_with_known_keys_do_not_wait_for_a_fetch() -> None:
    document = jwks(jwk(RSA_KEY))
    release, calls = threading.Event(), []

    def fetch() -> bytes:
        calls.append(1)
        assert len(calls) == 1 or release.wait(30)
        return document

    now = [0.0]
    keys = KeySet(fetch, ("RS256",), monotonic=lambda: now[0])
    assert keys.find("k1")
    now[0] += PAUSE_SECONDS
    with ThreadPoolExecutor(1) as pool:
        unknown = pool.submit(keys.find, "made up")
        try:
            while len(calls) < 2:
                time.sleep(0.001)
            assert keys.find("k1")
            assert keys.find("another made up") == {}
        finally:
            release.set()
        assert unknown.result() == {}
    assert len(calls) == 2


def test_known_keys_outlive_an_outage_of_the_issuer_but_not_for_ever(issuer: Issuer) -> None:
    keys = issuer.keys()
    keys.find("k1")
    issuer.fails = True
    issuer.now += STALE_SECONDS - 1
    assert keys.find("k1")
    issuer.now += 2
    with pytest.raises(BackendUnavailable):
        keys.find("k1")


def test_without_any_keys_the_issuer_is_not_asked_for_each_request(issuer: Issuer) -> None:
    keys = issuer.keys()
    issuer.fails = True
    for _ in range(100):
        with pytest.raises(BackendUnavailable):
            keys.find("k1")
    assert issuer.asked == 1
    issuer.fails = False
    issuer.now += PAUSE_SECONDS
    assert keys.find("k1")


@pytest.mark.parametrize(
    "unfit",
    [
        jwk(RSA_KEY, kid=None),
        jwk(RSA_KEY, use="enc"),
        jwk(RSA_KEY, alg="RS512"),
        jwk(WEAK_RSA_KEY),
        jwk(EC_384_KEY),
        jwk(ED_KEY),
        {"kid": "k1", "kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode()},
        {"kid": "k1", "kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kid": "k1", "kty": "RSA", "n": 5},
        {"kid": ["k1"], "kty": "RSA"},
        {"kid": "k1"},
    ],
)
def test_a_published_key_that_does_not_fit_is_passed_over(unfit: dict[str, object]) -> None:
    fit = jwk(EC_KEY, "k2")
    assert set(parsed_keys(jwks(unfit, fit), ("RS256", "ES256"))) == {"k2"}
    with pytest.raises(ValueError, match="without a key"):
        parsed_keys(jwks(unfit), ("RS256", "ES256"))


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [5]}', b"<html>", b"\xff"])
def test_what_is_no_jwk_set_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed_keys(document, ("RS256",))


# Fetching


class published:  # noqa: N801 - a context manager, read as a function
    """A server that answers with the document, and the paths that it was asked for."""

    def __init__(self, document: bytes, status: int = 200, **headers: str) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> tuple[str, list[str]]:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/keys", self.asked

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_keys_are_read_from_the_url() -> None:
    with published(jwks(jwk(RSA_KEY))) as (url, asked):
        identity = configured(stage="local", jwt_key=None, jwt_jwks_url=url, jwt_algorithms="RS256")
        assert asked == []
        assert identity.user_of(bearer(token())) == "alice"
    assert asked == ["/keys"]


@pytest.mark.parametrize(
    ("status", "document", "headers"),
    [(500, b"", {}), (302, b"", {"Location": "http://127.0.0.1:1/"}), (200, b" " * 300_000, {})],
)
def test_a_url_that_gives_no_keys_makes_the_service_unavailable(
    status: int, document: bytes, headers: dict[str, str]
) -> None:
    with published(document, status, **headers) as (url, _), pytest.raises(BackendUnavailable):
        KeySet(fetched_from(url), ("RS256",)).find("k1")


def test_a_url_where_nothing_listens_makes_the_service_unavailable() -> None:
    with pytest.raises(BackendUnavailable):
        KeySet(fetched_from("http://127.0.0.1:9/keys"), ("RS256",)).find("k1")


# Settings


def private_pem() -> str:
    return RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@pytest.mark.parametrize(
    ("make", "algorithms", "problem"),
    [
        (private_pem, "RS256", "JWT_KEY is a private key"),
        (lambda: public_pem(WEAK_RSA_KEY), "RS256", "JWT_KEY: "),
        (lambda: public_pem(EC_KEY), "RS256", "JWT_KEY is not a key for RS256"),
        (lambda: public_pem(EC_384_KEY), "ES256", "JWT_KEY is not a key for ES256"),
        (
            lambda: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "RS256",
            "JWT_KEY is not a key for RS256",
        ),
        (lambda: '{"kty": "oct", "k": "' + "A" * 43 + '"}', "HS256", "JWT_KEY is not a key for HS256"),
    ],
)
def test_a_configured_key_that_does_not_fit_stops_the_start(
    make: Callable[[], str], algorithms: str, problem: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{problem}"):
        configured(jwt_key=make(), jwt_algorithms=algorithms)


# The header


def test_the_header_names_the_user() -> None:
    assert HeaderIdentity().user_of(Headers({"X-User-ID": "alice"})) == "alice"
    with pytest.raises(MissingUser):
        HeaderIdentity().user_of(bearer(token()))
    with pytest.raises(InvalidUser):
        HeaderIdentity().user_of(Headers({"X-User-ID": "a b"}))


@pytest.fixture(autouse=True)
def no_token_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert "eyJ" not in caplog.text
