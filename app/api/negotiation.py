"""Which format a client takes best (RFC 9110 section 12.5.1)."""

from collections.abc import Sequence

from flask import Request

from app.variant_specs import VariantFormat

_EVERYBODY_TAKES = (VariantFormat.JPEG, VariantFormat.PNG)


def accepted_format(request: Request, offered: Sequence[VariantFormat]) -> VariantFormat:
    """The format that Accept gives the highest quality; of equals the one offered first.

    WebP and AVIF must be named, since whoever takes just anything (`*/*`) mostly has never heard of
    them; unless the last one offered, the original's own, is one of them. Who takes none of the
    formats offered gets a JPEG or PNG if that is named, else the original's own all the same.
    """
    own = offered[-1]
    accept = request.accept_mimetypes
    if not accept:
        return own
    named = set(accept.values())
    qualities = {
        one: float(accept.quality(one.media_type))
        for one in offered
        if one is own or one in _EVERYBODY_TAKES or one.media_type in named
    }
    best = max(qualities, key=lambda one: qualities[one])
    if qualities[best] > 0:
        return best
    return next((one for one in _EVERYBODY_TAKES if accept.quality(one.media_type) > 0), own)
