"""Opening files with libvips, which may do no more than it has to."""

import functools
import threading

import pyvips

from app.decoding.picture import Picture
from app.formats import Bytes
from app.models import ContentType

_configuring = threading.Lock()
_OPTIONS: dict[ContentType, dict[str, float]] = {
    ContentType.JPEG: {},
    ContentType.PNG: {},
    ContentType.GIF: {"n": -1},
    ContentType.WEBP: {"n": -1},
}
_LOADERS = {
    ContentType.JPEG: "jpegload_source",
    ContentType.PNG: "pngload_source",
    ContentType.GIF: "gifload_source",
    ContentType.WEBP: "webpload_source",
}


def open_image(
    data: Bytes | bytearray, content_type: ContentType, *, fail_on: str = "error", **options: float
) -> Picture:
    """Reads the header; what is wrong with the pixels shows when they are decoded.

    Opens all frames, one below the other, unless the loader's `options` say something else. libvips
    reads where the bytes are, without a copy: they must stay there until it is done.
    """
    source = pyvips.Source.new_from_memory(data)
    options = _OPTIONS[content_type] | options
    said = ",".join(["access=sequential", f"fail_on={fail_on}", *(f"{name}={options[name]}" for name in options)])
    # As one text, which is one call: as arguments each would be six.
    return Picture(pyvips.Operation.call(_LOADERS[content_type], source, string_options=said))


def configure_libvips() -> None:
    """Once per process: see `_restrict_libvips`. Nobody decodes before it is done."""
    with _configuring:
        _restrict_libvips()


@functools.cache
def _restrict_libvips() -> None:
    """Only the four formats' loaders may run; one thread per decode, since requests are parallel already."""
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in ("Jpeg", "Png", "Nsgif", "Webp"):
        pyvips.operation_block_set(f"VipsForeignLoad{loader}", False)
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
