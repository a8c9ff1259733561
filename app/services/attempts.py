"""Trying again, where others got ahead or DynamoDB left something undone."""

import random
import time

from app.errors import BackendUnavailable, ServiceError

_FIRST_SECONDS = 0.005
_LONGEST_SECONDS = 0.1


class Attempts:
    """How often something is tried, at most.

    attempts = Attempts(50)
    while not done():
        attempts.pause()
    """

    def __init__(self, most: int, *, at_last: ServiceError | None = None) -> None:
        """`at_last` says what it means that all failed; without it, that others kept changing the same rows."""
        self._most = most
        self._at_last = at_last
        self._failed = 0

    def pause(self) -> None:
        """Wait a little, at random, so that those who met at the same rows stop meeting each other.

        Raises `at_last`, or a contended BackendUnavailable, where the attempt that failed was the last.
        """
        self._failed += 1
        if self._failed == self._most:
            raise self._at_last or BackendUnavailable("dynamodb", contended=True)
        time.sleep(random.uniform(0, min(_FIRST_SECONDS * 2 ** (self._failed - 1), _LONGEST_SECONDS)))
