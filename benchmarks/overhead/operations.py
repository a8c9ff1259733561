"""The requests that are measured."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlencode

from benchmarks.overhead.null_aws import LARGE, SMALL, USER

IMAGES = "/api/v1/images"
_BOUNDARY = "0123456789abcdef"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request, how often it is sent in a round, and how much it may cost, in floors; None where nobody said."""

    name: str
    method: str
    path: str
    repeats: int
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes = b""
    status: int = 200
    goal: float | None = None

    @property
    def is_upload(self) -> bool:
        return self.path.endswith("/upload")

    def environ(self) -> dict[str, object]:
        """As a WSGI server hands it over (PEP 3333)."""
        named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self._sent_headers().items()}
        environ: dict[str, object] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.StringIO(),
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **named,
        }
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if (value := environ.pop(f"HTTP_{name}", None)) is not None:
                environ[name] = value
        return environ

    def wire(self) -> bytes:
        """As a client sends it."""
        target = f"{self.path}?{self.query}" if self.query else self.path
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._sent_headers().items())
        return f"{self.method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + self.body

    def _sent_headers(self) -> dict[str, str]:
        length = {"Content-Length": str(len(self.body))} if self.body else {}
        common = {"Host": "127.0.0.1", "X-User-ID": USER, "Accept": "*/*", "User-Agent": "bench"}
        return common | length | dict(self.headers)


def _multipart(data: bytes) -> bytes:
    def part(disposition: str, content: bytes) -> bytes:
        return f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"

    file = part('name="file"; filename="beach.png"', data)
    return file + part('name="title"', b"Beach") + part('name="tags"', b"sea") + f"--{_BOUNDARY}--\r\n".encode()


_FORM = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
_RAW = {"Content-Type": "image/png"}
_FIELDS = urlencode({"title": "Beach", "tags": "sea", "filename": "beach.png"})
_ANNOUNCED = b'{"filename":"beach.png","content_type":"image/png","file_size":100000,"title":"Beach","tags":["sea"]}'
_small, _large = f"{IMAGES}/{SMALL.image.image_id}", f"{IMAGES}/{LARGE.image.image_id}"


def _upload(name: str, data: bytes, *, raw: bool, repeats: int, goal: float | None = None) -> Operation:
    return Operation(
        name=name,
        method="POST",
        path=f"{IMAGES}/upload",
        query=_FIELDS if raw else "",
        headers=_RAW if raw else _FORM,
        body=data if raw else _multipart(data),
        status=201,
        repeats=repeats,
        goal=goal,
    )


OPERATIONS = (
    Operation(name="metadata", method="GET", path=f"{_small}/metadata", repeats=120, goal=2),
    Operation(
        name="304",
        method="GET",
        path=_small,
        headers={"If-None-Match": f'"{SMALL.image.sha256}"'},
        status=304,
        repeats=120,
        goal=2,
    ),
    Operation(name="list 10", method="GET", path=IMAGES, query="limit=10", repeats=80, goal=3),
    Operation(name="list 100", method="GET", path=IMAGES, query="limit=100", repeats=20, goal=9),
    Operation(name="download 100 KB", method="GET", path=_small, repeats=100, goal=2),
    Operation(name="download 5 MB", method="GET", path=_large, repeats=8),
    _upload("upload 100 KB multipart", SMALL.data, raw=False, repeats=40, goal=3),
    _upload("upload 100 KB raw", SMALL.data, raw=True, repeats=40, goal=3),
    _upload("upload 5 MB multipart", LARGE.data, raw=False, repeats=8),
    _upload("upload 5 MB raw", LARGE.data, raw=True, repeats=8),
    Operation(
        name="direct upload issued",
        method="POST",
        path="/api/v1/uploads",
        headers={"Content-Type": "application/json"},
        body=_ANNOUNCED,
        status=201,
        repeats=80,
    ),
)
