"""If-Match, as all routes take it (RFC 9110 sections 8.8.3 and 13.1.1)."""

import re

from flask import Request

_STRONG_TAG = re.compile(r'"([\x21\x23-\x7e\x80-\xff]*)"')
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


def if_match(request: Request) -> frozenset[str] | None:
    """The opaque parts of the strong tags that the request names, or None where any will do.

    Weak tags and what is no tag match nothing. The header is split at commas, which none of our own tags contains.
    """
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return None
    matches = (_STRONG_TAG.fullmatch(part.strip()) for part in header.split(","))
    return frozenset(match[1] for match in matches if match)


def expected_versions(request: Request) -> frozenset[int] | None:
    """The versions that If-Match allows, or None where any will do."""
    tags = if_match(request)
    return None if tags is None else frozenset(int(tag) for tag in tags if _VERSION.fullmatch(tag))
