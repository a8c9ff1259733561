"""Checking what arrives, by this service's limits and within this process's memory; and what is then stored of it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from app.admission import MemoryBudget, ObserveAdmission, ignore
from app.errors import InvalidImage
from app.formats import Bytes
from app.models import StripMetadata
from app.settings import Settings
from app.spool import Spool
from app.stripping import MOST_ADDED_BYTES, stripped
from app.variant_specs import Rendition

if TYPE_CHECKING:
    from app.imaging import ImageFacts

Variants = Mapping[Rendition, bytes]
"""Variants as files, made while an image was checked."""


class Inspector:
    """One for all services of a process, since they share its memory."""

    def __init__(self, settings: Settings, observe: ObserveAdmission = ignore) -> None:
        """`observe` is told of each image that is let in to be decoded, or refused."""
        self._limits = settings.image_limits
        self._strip = settings.strip_metadata
        self._wanted = settings.specs_at_upload
        self.budget = MemoryBudget(
            settings.decode_memory_bytes, wait_seconds=settings.decode_wait_seconds, observe=observe
        )

    def inspect(self, data: Bytes) -> "ImageFacts":
        """As `imaging.inspect`; also raises Overloaded where too much is being decoded already."""
        from app import imaging  # noqa: PLC0415 - libvips is slow to load, and most of what a Lambda does goes without

        return imaging.inspect(data, self._limits, admission=self.budget.admitted)

    def inspect_and_render(self, data: Bytes) -> tuple["ImageFacts", Variants]:
        """As `inspect`, with the VARIANTS_AT_UPLOAD from the same decode."""
        from app import imaging  # noqa: PLC0415 - as above

        return imaging.inspect_and_render(data, self._limits, self._wanted, admission=self.budget.admitted)

    @contextmanager
    def stripped(self, spool: Spool, facts: "ImageFacts") -> Iterator[Spool]:
        """The file as it is stored: the same spool, or another where STRIP_METADATA takes something away.

        The decoder must report the same orientation as before: it alone knows which of several Exif blocks counts, and
        what of a broken one. If it does not, all metadata is removed, and a new block states the orientation. Raises
        InvalidImage where not even that helps: the image would be stored turned wrongly, or with its metadata.
        """
        from app import imaging  # noqa: PLC0415 - as above

        with ExitStack() as opened:
            for strip in dict.fromkeys((self._strip, StripMetadata.ALL)):
                pieces = stripped(spool.buffer(), facts.content_type, strip, orientation=facts.orientation)
                if pieces is None:
                    kept = spool
                    break
                kept = opened.enter_context(Spool(max_bytes=spool.size + MOST_ADDED_BYTES))
                for piece in pieces:
                    kept.write(piece)
                if imaging.orientation(kept.buffer(), facts.content_type) == facts.orientation:
                    break
            else:
                raise InvalidImage("The image would be turned wrongly without its metadata.")
            yield kept
