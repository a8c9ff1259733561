"""Serves the page, its styles and its modules. docs/adr/0015-gallery.md has the reasons for how."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, render_template, request, send_from_directory

from app.settings import Settings

_STATIC = Path(__file__).parent / "static"
_YEAR_SECONDS = 31_536_000
_PAGE_SIZE = 40  # images that the grid asks for at once: a wide screen full
# Not left to the machine's own list, on which Windows has been seen to call JavaScript plain text.
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def gallery_blueprint(settings: Settings, *, bucket_origin: str) -> Blueprint:
    """The gallery for these settings. The page may reach this service and `bucket_origin`, nothing else."""
    blueprint = Blueprint("gallery", __name__, template_folder="templates")
    version = _version()
    styles, modules = (sorted(path.name for path in (_STATIC / kind).iterdir()) for kind in ("css", "js"))
    policy = _content_security_policy(settings, bucket_origin)

    @blueprint.get("/")
    def page() -> str | tuple[str, int, dict[str, str]]:
        html = render_template(
            "gallery.html",
            root=f"{request.script_root}/",
            assets=f"{request.script_root}/gallery/{version}",
            identity=_identity(settings),
            page_size=min(_PAGE_SIZE, settings.max_list_limit),
            styles=styles,
            modules=modules,
        )
        return html, 200, {"Content-Security-Policy": policy, "Cache-Control": "private, no-cache"}

    @blueprint.get("/gallery/<asked_version>/<path:name>")
    def asset(asked_version: str, name: str) -> Response:
        if asked_version != version:  # what is served under a version is kept for a year, so it must be that
            abort(404)
        response = send_from_directory(
            _STATIC, name, mimetype=_MEDIA_TYPES.get(Path(name).suffix), max_age=_YEAR_SECONDS
        )
        response.cache_control.immutable = True
        return response

    return blueprint


def _identity(settings: Settings) -> str:
    """How the page learns who is calling: from a gateway in front of it, by asking for a name, or for a token."""
    if settings.auth_mode == "header":
        return "gateway" if settings.trusted_proxy else "name"
    return "token"


def _version() -> str:
    """A name for the files as they are: another as soon as one of them changes."""
    digest = hashlib.sha256()
    for path in sorted(path for path in _STATIC.rglob("*") if path.is_file()):
        digest.update(path.relative_to(_STATIC).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _content_security_policy(settings: Settings, bucket_origin: str) -> str:
    """Scripts and styles from files of ours alone, none inside of HTML (https://www.w3.org/TR/CSP3/)."""
    own = "'self'"
    if settings.public_url:  # links to thumbnails lead there
        address = urlsplit(settings.public_url)
        own += f" {address.scheme}://{address.netloc}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src {own} {bucket_origin} blob:",
            f"connect-src 'self' {bucket_origin}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
