"""Checking what arrives, by this service's limits and within this process's memory."""

from typing import TYPE_CHECKING

from app.admission import MemoryBudget
from app.formats import Bytes
from app.settings import Settings

if TYPE_CHECKING:
    from app.imaging import ImageFacts


class Inspector:
    """One for all services of a process, since they share its memory."""

    def __init__(self, settings: Settings) -> None:
        self._limits = settings.image_limits
        self.budget = MemoryBudget(settings.decode_memory_bytes, wait_seconds=settings.decode_wait_seconds)

    def inspect(self, data: Bytes) -> "ImageFacts":
        """As `imaging.inspect`; also raises Overloaded where too much is being decoded already."""
        from app import imaging  # noqa: PLC0415 - libvips is slow to load, and most of what a Lambda does goes without

        return imaging.inspect(data, self._limits, admission=self.budget.admitted)
