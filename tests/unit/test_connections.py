import io
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.services.connections import Connections
from tests.scripted_server import LastWords, answer, scripted_server
from tests.server import free_port

GET = b"GET / HTTP/1.1\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
LONG_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n" + bytes(0x100000) + b"\r\n"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


def connections(url: str, *, tls: ssl.SSLContext | None = None, read_seconds: float = 5) -> Connections:
    return Connections(url, connect_seconds=1, read_seconds=read_seconds, kept=2, tls=tls)


def test_an_answer_has_status_headers_and_content() -> None:
    with scripted_server(answer("404 Not Found", b"gone", "X-Amz-Id: 5")) as server:
        found = connections(server.url).exchange(GET)
        assert (found.status, found.headers["x-amz-id"], found.read(), found.read()) == (404, "5", b"gone", b"")


def test_a_chunked_answer_is_put_together() -> None:
    with scripted_server(CHUNKS + b"2\r\nde\r\n0\r\n\r\n", answer(body=b"next")) as server:
        kept = connections(server.url)
        assert [kept.exchange(GET).read(), kept.exchange(GET).read()] == [b"abcde", b"next"]
        assert server.connections == 1


def test_a_file_is_sent_from_where_it_stands() -> None:
    with scripted_server(answer()) as server:
        body = io.BytesIO(b"--the rest")
        body.seek(2)
        connections(server.url).exchange(b"PUT / HTTP/1.1\r\nContent-Length: 8\r\n\r\n", body)
        assert server.bodies() == [b"the rest"]


def test_connections_are_used_again() -> None:
    with scripted_server(answer(body=b"1"), answer(body=b"2"), answer(body=b"3")) as server:
        kept = connections(server.url)
        assert [kept.exchange(GET, stream=True).read() for _ in range(3)] == [b"1", b"2", b"3"]
        assert server.connections == 1


@pytest.mark.parametrize(
    "first",
    [
        answer(body=b"1") + b"H",
        answer(body=b"1") + answer(body=b"smuggled"),
        answer("200 OK", b"1", "Connection: close"),
    ],
)
def test_no_connection_is_used_again_that_is_not_clean(first: bytes) -> None:
    with scripted_server(first, answer(body=b"2")) as server:
        kept = connections(server.url)
        assert [kept.exchange(GET).read(), kept.exchange(GET).read()] == [b"1", b"2"]
        assert server.connections == 2


def test_a_connection_on_which_something_came_while_it_was_idle_is_not_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept = connections(f"http://127.0.0.1:{listener.getsockname()[1]}")
        first = kept._connected()  # as after an answer
        accepted, _ = listener.accept()
        accepted.sendall(b"late")
        first.recv(1, socket.MSG_PEEK)  # it has come
        kept.give_back(first)
        assert kept._taken() is None
        accepted.close()


def test_an_answer_that_is_closed_before_its_end_ends_its_connection() -> None:
    with scripted_server(answer(body=b"x" * 3_000_000), answer(body=b"2")) as server:
        kept = connections(server.url)
        abandoned = kept.exchange(GET, stream=True)
        assert abandoned.read(10)
        abandoned.close()
        assert kept.exchange(GET).read() == b"2"
        assert server.connections == 2


def test_more_connections_than_are_kept_are_closed() -> None:
    with scripted_server(*[answer(body=b"x" * 1_000_000)] * 4) as server:
        kept = connections(server.url)
        open_answers = [kept.exchange(GET, stream=True) for _ in range(4)]
        assert [len(found.read()) for found in open_answers] == [1_000_000] * 4
        assert len(kept._idle) == 2


@pytest.mark.parametrize("broken", [LastWords(), LastWords(HALF), b"SMTP\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_an_answer_that_does_not_come_whole_is_a_closed_connection(broken: bytes) -> None:
    with scripted_server(broken) as server, pytest.raises(ConnectionClosedError):
        connections(server.url).exchange(GET)


@pytest.mark.parametrize("silent", [b"", HALF])
def test_a_server_that_falls_silent_is_not_waited_for(silent: bytes) -> None:
    with scripted_server(silent) as server, pytest.raises(ReadTimeoutError):
        connections(server.url, read_seconds=0.1).exchange(GET)


@pytest.mark.parametrize(
    ("broken", "failure"),
    [(LastWords(HALF), IncompleteReadError), (HALF, ReadTimeoutError), (LONG_CHUNK + b"zz", ResponseStreamingError)],
)
def test_a_stream_that_breaks_off_says_so(broken: bytes, failure: type[Exception]) -> None:
    with scripted_server(broken) as server:
        stream = connections(server.url, read_seconds=0.1).exchange(GET, stream=True)
        with pytest.raises(failure):
            stream.read()
        stream.close()


def test_where_nobody_listens_there_is_no_endpoint() -> None:
    with pytest.raises(EndpointConnectionError):
        connections(f"http://127.0.0.1:{free_port()}").exchange(GET)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of 127.0.0.1 that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_server_is_believed_whose_certificate_is_known(certificate: Path, server_tls: ssl.SSLContext) -> None:
    with scripted_server(answer(body=b"1"), answer(body=b"2"), tls=server_tls) as server:
        kept = connections(server.url, tls=ssl.create_default_context(cafile=certificate))
        assert [kept.exchange(GET).read(), kept.exchange(GET).read()] == [b"1", b"2"]


def test_a_server_is_not_believed_whose_certificate_is_not_known(server_tls: ssl.SSLContext) -> None:
    with scripted_server(answer(), tls=server_tls) as server, pytest.raises(SSLError):
        connections(server.url, tls=ssl.create_default_context()).exchange(GET)
    assert server.requests == []
