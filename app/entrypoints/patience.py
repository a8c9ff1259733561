"""How long a thread waits for a client, to send or to take bytes."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

Moved = TypeVar("Moved")

_LOOK_SECONDS = 0.25  # between looks whether others wait by now


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may stall, and the minimum average rate after that."""

    seconds: float
    bytes_per_second: int


AT_EASE = Patience(20, 8 * 1024)
PRESSED = Patience(0.75, 64 * 1024)
"""While other requests wait for a thread: then the slowest clients are disconnected."""


class PatientSocket(socket.socket):
    """A connection on which `recv` and `sendall` raise TimeoutError when its client is too slow.

    What counts is the time spent waiting for the client, not the time in which the service works. An answer has
    time of its own, so that a client that stalled is told so. A timeout that is set counts too, for each wait; 0
    does not wait at all, as ever.
    """

    _is_pressed: Callable[[], bool]

    @classmethod
    def adopted(cls, connection: socket.socket, *, is_pressed: Callable[[], bool]) -> Self:
        """The same connection; the object given is of no use any more."""
        timeout = connection.gettimeout()
        patient = cls(fileno=connection.detach())
        patient.settimeout(timeout)
        patient._is_pressed = is_pressed
        patient.begin()
        return patient

    def begin(self) -> None:
        """Start counting anew: for another request, or for the answer to this one."""
        self._waited_seconds = 0.0
        self._moved_bytes = 0
        self._is_answering = False

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._is_answering = False
        data = self._patiently(super().recv, size, flags)
        self._moved_bytes += len(data)
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        if not self._is_answering:
            self.begin()
            self._is_answering = True
        left = memoryview(data)
        while left:
            sent = self._patiently(super().send, left, flags)
            self._moved_bytes += sent
            left = left[sent:]

    def _patiently(self, move: Callable[..., Moved], *arguments: Any) -> Moved:
        timeout, begun = self.gettimeout(), time.monotonic()
        if timeout == 0:
            return move(*arguments)
        try:
            while True:
                waited = time.monotonic() - begun
                self._require_pace(waited)
                left = _LOOK_SECONDS if timeout is None else timeout - waited
                if left <= 0:
                    raise TimeoutError
                self.settimeout(min(left, _LOOK_SECONDS))
                try:
                    return move(*arguments)
                except TimeoutError:
                    continue
        finally:
            self._waited_seconds += time.monotonic() - begun
            self.settimeout(timeout)

    def _require_pace(self, waited_now: float) -> None:
        patience = PRESSED if self._is_pressed() else AT_EASE
        in_all = patience.seconds + self._moved_bytes / patience.bytes_per_second
        if waited_now > patience.seconds or self._waited_seconds + waited_now > in_all:
            raise TimeoutError
