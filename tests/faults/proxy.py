"""A proxy between the service and AWS that loses answers, throttles, hangs up, or says what it is told."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Call:
    """One AWS request: the how many-th it is, and its operation, such as `PutItem` or `PUT images`."""

    number: int
    operation: str

    @property
    def changes_something(self) -> bool:
        return self.operation.startswith(_MUTATING)


class Fault(Enum):
    LOSE_REQUEST = auto()
    LOSE_ANSWER = auto()
    THROTTLE = auto()
    HANG = auto()


@dataclass(frozen=True)
class Answer:
    """What to send back."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Afterwards:
    """Pass the call on, do something when it is carried out, and lose the answer."""

    act: Callable[[], None]


Plan = Callable[[Call], Fault | Answer | Afterwards | None]
"""What to do with a call: a fault, an answer to give instead, or None to pass it on."""

_MUTATING = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "PUT", "POST", "DELETE")


class FaultProxy:
    """Listens on a port of its own and follows `plan`; `calls` tells what came."""

    def __init__(self, upstream: str) -> None:
        self.plan: Plan = lambda call: None
        self.calls: list[Call] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(self, urlsplit(upstream).netloc)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["FaultProxy"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def reset(self, plan: Plan | None = None) -> None:
        """Count from one again, and follow another plan."""
        self.calls = []
        self.plan = plan or (lambda call: None)

    def take(self, operation: str) -> Fault | Answer | Afterwards | None:
        with self._lock:
            call = Call(len(self.calls) + 1, operation)
            self.calls.append(call)
        return self.plan(call)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultProxy, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy
        self.upstream = upstream


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.proxy.take(self._operation())
        if fault is Fault.HANG:
            self.server.proxy.closing.wait()
        if fault in {Fault.HANG, Fault.LOSE_REQUEST}:
            self.close_connection = True
            return
        if isinstance(fault, Answer):
            self._send(fault)
        elif fault is Fault.THROTTLE:
            self._send(self._throttled())
        else:
            answer = self._pass_on(body)
            if isinstance(fault, Afterwards):
                fault.act()
            if fault is Fault.LOSE_ANSWER or isinstance(fault, Afterwards):
                self.close_connection = True
            else:
                self._send(answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - the base class's names

    def _operation(self) -> str:
        """`PutItem` of DynamoDB, or the method and the first part of the key of S3: `PUT images`."""
        if action := self.headers.get("X-Amz-Target", "").partition(".")[2]:
            return action
        key = urlsplit(self.path).path.split("/")[2:]
        return f"{self.command} {key[0]}" if key else self.command

    def _throttled(self) -> Answer:
        if "X-Amz-Target" in self.headers:
            return Answer(400, b'{"__type": "ThrottlingException"}')
        return Answer(503, b"<Error><Code>SlowDown</Code></Error>")

    def _pass_on(self, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=10)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"expect", "connection"}:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), tuple(answer.getheaders()))
        finally:
            connection.close()

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        length = dict(answer.headers).get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests look at `calls`."""
