"""What every answer says to browsers and caches, and which requests are no HTTP that counts."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from app.api import create_app
from app.problem_details import DEFAULT_HEADERS
from app.services import Services
from app.settings import Settings
from tests.contract.steps import IMAGES, assert_problem, upload
from tests.samples import picture
from tests.server import RunningService

ORIGIN = "https://app.example"


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/docs/docs.js", "/health", "/openapi.json", "/nowhere", "/api/v1/limits", IMAGES, f"{IMAGES}/x"],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "TRACE"])
def test_every_answer_forbids_what_nobody_needs(api: httpx.Client, method: str, path: str) -> None:
    assert_hardened(api.request(method, path))


def test_an_image_is_hardened_too(api: httpx.Client) -> None:
    response = api.get(f"{IMAGES}/{upload(api)['image_id']}")
    assert_hardened(response)
    assert response.headers["Cache-Control"] == "private, no-cache"


def assert_hardened(response: httpx.Response) -> None:
    headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"]
    assert "Access-Control-Allow-Credentials" not in headers


def test_what_is_said_to_one_caller_is_not_for_shared_caches(api: httpx.Client, nobody: httpx.Client) -> None:
    image = f"{IMAGES}/{upload(api)['image_id']}"
    paths = (IMAGES, image, f"{image}/metadata", f"{image}x")
    answers = [client.get(path) for client in (api, nobody) for path in paths]
    assert all("private" in answer.headers["Cache-Control"] for answer in answers)


@pytest.fixture
def shared(own_settings: Settings, services: Services) -> Iterator[httpx.Client]:
    """A client of an application that pages of one other origin may use."""
    settings = Settings.model_validate(own_settings.model_dump() | {"api_cors_origins": ORIGIN})
    transport = httpx.WSGITransport(create_app(settings, services))
    with httpx.Client(base_url="http://in-process", transport=transport, headers={"X-User-ID": "alice"}) as made:
        yield made


def cors(response: httpx.Response) -> set[str]:
    return {name for name in response.headers if name.startswith("access-control-")}


def test_no_other_origin_may_read_unless_it_is_listed(api: httpx.Client, shared: httpx.Client) -> None:
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for client in (api, shared):
        assert cors(client.get(IMAGES, headers={"Origin": "https://evil.example"})) == set()
        assert cors(client.options(IMAGES, headers=preflight)) == set()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_of_another_origin_changes_nothing_unless_it_is_listed(
    api: httpx.Client, shared: httpx.Client, site: str
) -> None:
    form = {"file": ("p.jpg", picture(), "image/jpeg")}
    for client, origin in ((api, "https://evil.example"), (api, None), (shared, "https://evil.example")):
        headers = {"Sec-Fetch-Site": site} | ({"Origin": origin} if origin else {})
        assert_problem(client.post(IMAGES, files=form, headers=headers), 403, "foreign_origin")
        assert_problem(client.delete(f"{IMAGES}/x", headers=headers), 403, "foreign_origin")
        assert client.get(IMAGES, headers=headers).json()["images"] == []
    assert shared.post(IMAGES, files=form, headers={"Sec-Fetch-Site": site, "Origin": ORIGIN}).status_code == 201


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_the_services_own_pages_may_change_something(api: httpx.Client, site: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Origin": "https://images.example"}
    assert api.post(IMAGES, files={"file": ("p.jpg", picture(), "image/jpeg")}, headers=headers).status_code == 201


@pytest.mark.parametrize("origin", ["null", f"{ORIGIN}.evil.example", "http://app.example", f"{ORIGIN}:8443", "*"])
def test_an_origin_counts_to_the_letter(shared: httpx.Client, origin: str) -> None:
    response = shared.get(IMAGES, headers={"Origin": origin})
    assert cors(response) == set()
    assert response.headers["Vary"] == "Origin"


def test_a_listed_origin_may_ask_and_read(shared: httpx.Client) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}
    preflight = shared.options(f"{IMAGES}/x", headers=headers)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"PATCH", "DELETE"} <= set(preflight.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"If-Match", "X-User-ID", "Authorization"} <= set(
        preflight.headers["Access-Control-Allow-Headers"].split(", ")
    )
    for path in (IMAGES, f"{IMAGES}/x", "/nowhere"):
        response = shared.get(path, headers={"Origin": ORIGIN})
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "ETag" in response.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_a_listed_origin_may_send_every_header_that_an_operation_reads(shared: httpx.Client) -> None:
    preflight = shared.options(IMAGES, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "GET"})
    paths = shared.get("/openapi.json").json()["paths"].values()
    parameters = [parameter for path in paths for operation in path.values() for parameter in operation["parameters"]]
    read = {parameter["name"] for parameter in parameters if parameter["in"] == "header"}
    assert {"If-Unmodified-Since", "Idempotency-Key"} <= read
    assert read <= set(preflight.headers["Access-Control-Allow-Headers"].split(", "))


# Framing. A proxy in front may read such a request otherwise than we do; so it is refused and the connection closed.

CHUNKED = b"0\r\n\r\n"
SMUGGLED = b"GET /api/v1/limits HTTP/1.1\r\nHost: x\r\n\r\n"
HEADS = {
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 47\r\n",
    "the same length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n",
    "a signed length": b"Content-Length: +5\r\n",
    "a negative length": b"Content-Length: -5\r\n",
    "a hexadecimal length": b"Content-Length: 0x5\r\n",
    "a length with an underscore": b"Content-Length: 0_5\r\n",
    "a length of other digits": "Content-Length: \u0665\r\n".encode(),
    "an empty length": b"Content-Length: \r\n",
    "chunks that are not last": b"Transfer-Encoding: chunked, identity\r\n",
    "chunks twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n",
    "a coding with a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n",
    "a blank before the colon": b"Transfer-Encoding : chunked\r\n",
    "a folded line": b"X-A: b\r\n c\r\n",
    "a folded coding": b"Transfer-Encoding:\r\n chunked\r\n",
    "a bare line feed": b"X-A: b\nTransfer-Encoding: chunked\r\n",
    "a bare carriage return": b"X-A: b\rTransfer-Encoding: chunked\r\n",
    "a NUL in a value": b"X-A: b\0c\r\n",
    "a NUL in a name": b"X-\0A: b\r\n",
    "two hosts": b"Host: y\r\n",
    "a length beyond all numbers": b"Content-Length: 99999999999999999999999999\r\n",
    "no colon": b"X-A\r\n",
    "an empty name": b": b\r\n",
    "more headers than anyone sends": b"".join(b"X-%d: a\r\n" % number for number in range(200)),
    "a header longer than anyone sends": b"X-A: " + b"a" * 9000 + b"\r\n",
}
LINES = {
    "lines that end in line feeds": b"GET /health HTTP/1.1\nHost: x\n\n",
    "a line longer than anyone sends": b"GET /health?" + b"a" * 80_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"POST /health HTTP/1.1\r\n\r\n",
    "a version that there is not": b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
    "a NUL in the path": b"GET /heal\0th HTTP/1.1\r\nHost: x\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /health HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    "two blanks in the first line": b"GET  /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in small letters and signs": b"g@t /health HTTP/1.1\r\nHost: x\r\n\r\n",
}
RAW = {name: b"POST /health HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n" for name, head in HEADS.items()} | LINES


def answer_to(server: RunningService, data: bytes) -> bytes:
    """All that comes back until the server closes the connection, which it must do by itself."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=8) as connection:
        connection.sendall(data)
        answer = b""
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                answer += piece
    return answer


@pytest.mark.parametrize("name", RAW)
def test_a_request_that_can_be_read_in_two_ways_is_refused(server: RunningService, name: str) -> None:
    answer = answer_to(server, RAW[name] + CHUNKED + SMUGGLED)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert 400 <= int(head.split()[1]) < 500 or head.startswith(b"HTTP/1.1 501"), answer
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert b"max_upload_bytes" not in answer
    assert json.loads(body)["code"]


@pytest.mark.parametrize(
    "chunks",
    [
        b"0x5\r\nabcde\r\n0\r\n\r\n",
        b"+5\r\nabcde\r\n0\r\n\r\n",
        b"5 \r\nabcde\r\n0\r\n\r\n",
        b"5\nabcde\n0\n\n",
        b"5\r\nabcdeXX0\r\n\r\n",
        b"-1\r\n\r\n",
        b"5;\x00\r\nabcde\r\n0\r\n\r\n",
    ],
)
def test_chunks_that_can_be_read_in_two_ways_are_refused(server: RunningService, chunks: bytes) -> None:
    head = f"POST {IMAGES} HTTP/1.1\r\nHost: x\r\nX-User-ID: alice\r\nContent-Type: image/png\r\n"
    answer = answer_to(server, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b"max_upload_bytes" not in answer


def test_a_user_in_another_spelling_of_the_header_is_nobody(server: RunningService) -> None:
    for name in ("X_User_ID", "X-User_ID", "HTTP_X_USER_ID"):
        head = f"GET {IMAGES} HTTP/1.1\r\nHost: x\r\n{name}: alice\r\nConnection: close\r\n\r\n"
        assert answer_to(server, head.encode()).startswith(b"HTTP/1.1 401")


def test_what_never_reaches_the_application_is_logged_under_the_id_of_its_answer(server: RunningService) -> None:
    _, _, body = answer_to(server, RAW["two lengths"]).partition(b"\r\n\r\n")
    request_id = json.loads(body)["request_id"]
    assert [json.loads(line)["event"] for line in server.output().splitlines() if request_id in line]


def test_what_never_reaches_the_application_is_hardened_too(server: RunningService) -> None:
    head = answer_to(server, RAW["two lengths"]).partition(b"\r\n\r\n")[0].decode()
    for name, value in DEFAULT_HEADERS.items():
        assert f"\r\n{name}: {value}" in head


@pytest.mark.parametrize(
    "start",
    [b"", b"GET /health HTTP/1.1\r\nHost: x\r\n", b"\r\n\r\n\r\n", b"POST /health HTTP/1.1\r\nHost: x\r\nX: a\n"],
    ids=["nothing", "half a head", "blank lines", "a bare LF"],
)
def test_clients_that_do_not_finish_a_head_stop_nobody(server: RunningService, start: bytes) -> None:
    with ExitStack() as opened:
        for _ in range(40):  # more than there are threads
            bad = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=8))
            bad.sendall(start)
        assert_served(server)


def test_clients_that_do_not_close_stop_nobody(server: RunningService) -> None:
    with ExitStack() as opened:
        for _ in range(40):
            bad = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=8))
            bad.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert_served(server)


def test_clients_that_do_not_finish_a_body_stop_nobody(server: RunningService) -> None:
    head = f"POST {IMAGES} HTTP/1.1\r\nHost: x\r\nX-User-ID: alice\r\nContent-Type: image/png\r\n"
    with ExitStack() as opened:
        for _ in range(16):  # as many as there are threads
            bad = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=8))
            bad.sendall(head.encode() + b"Content-Length: 9\r\n\r\n")
        assert_served(server)


def assert_served(server: RunningService) -> None:
    """Others are answered while the bad clients are there: at least as many as make both workers answer."""
    for _ in range(8):
        assert httpx.get(f"{server.url}/health", timeout=5, trust_env=False).status_code == 200


def test_a_head_may_come_in_pieces_and_two_requests_at_once(server: RunningService) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=8) as connection:
        connection.sendall(request)
        connection.sendall(b"\r\n" + request + b"\r\n" + request)
        connection.sendall(b"Connection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize("prefix", [b"/health", b"//evil.example", b"/nowhere"])
def test_a_header_does_not_move_the_service_to_another_path(server: RunningService, prefix: bytes) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nSCRIPT_NAME: " + prefix + b"\r\n\r\n"
    assert answer_to(server, head).startswith(b"HTTP/1.1 200 ")
    assert b'data-root="/"' in answer_to(server, head.replace(b"GET /health", b"GET /"))
