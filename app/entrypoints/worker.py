"""`python -m app worker`: takes the bucket's events from the queue and finishes direct uploads.

Any number of workers may run. One that is killed loses nothing: what it held comes again.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack

from app.entrypoints.messages import handled
from app.entrypoints.signals import Stopped, StopSignals
from app.entrypoints.traces import start_tracing
from app.entrypoints.worker_watch import Watch
from app.errors import BackendUnavailable, Overloaded
from app.services import build_services
from app.services.queue import VISIBILITY_SECONDS, Message, UploadQueue
from app.settings import Settings
from app.worker_metrics import WorkerMetrics

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.2  # how soon a stop is noticed while messages are handled
_LAST_POLL_SECONDS = 1.2  # a poll that is still open when everything else has stopped is cut off after this
_LONGEST_PAUSE_SECONDS = 30
_DECODE_WAIT_SECONDS = 60.0  # nobody waits for the worker, and a message that fails five times is set aside


def run_worker(settings: Settings) -> None:
    """Work until a signal comes; then finish what is being checked, give the rest back, and return."""
    signals = StopSignals()
    with ExitStack() as stack:
        try:
            services = build_services(
                settings.model_copy(update={"decode_wait_seconds": _DECODE_WAIT_SECONDS}),
                tracing=start_tracing(settings, service_name="image-storage-worker"),
                signs=False,
            )
            figures = WorkerMetrics(services.metrics.registry)
            if settings.worker_metrics_port is not None:
                watch = Watch(services, figures, settings, port=settings.worker_metrics_port)
                with signals.held_back():  # its thread, if nobody stops it, keeps the process from ending
                    watch.start()
                    stack.callback(watch.stop)
            worker = Worker(
                services.queue,
                services.uploads.handle,
                services.uploads.sweep,
                figures,
                threads=settings.worker_threads,
                sweep_seconds=settings.sweep_seconds,
            )
            with signals.held_back():  # the same
                worker.start()
                stack.callback(worker.stop)
            log.info("worker started", extra={"threads": settings.worker_threads})
            signals.wait()
        except Stopped:
            signals.ignore()
    log.info("worker stopped")


class Worker:
    """One thread receives, some handle messages, one sweeps from time to time.

    `handle` takes a message's body and raises where it must come again. `sweep` goes on from one
    upload to the next each time that it is asked.
    """

    def __init__(
        self,
        queue: UploadQueue,
        handle: Callable[[str], None],
        sweep: Callable[[], Iterator[object]],
        figures: WorkerMetrics,
        *,
        threads: int,
        sweep_seconds: float,
    ) -> None:
        self._queue = queue
        self._handle = handle
        self._sweep = sweep
        self._figures = figures
        figures.works_with(threads)
        self._sweep_seconds = sweep_seconds
        self._stopping = threading.Event()
        self._polling = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="handle")
        # A daemon, because a poll may last 20 seconds and is not worth waiting for.
        self._receiver = threading.Thread(target=self._receive, name="receive", daemon=True)
        self._sweeper = threading.Thread(target=self._sweep_often, name="sweep")

    def start(self) -> None:
        self._receiver.start()
        self._sweeper.start()

    def stop(self) -> None:
        """Returns when nothing is being handled any more and what was not begun is given back."""
        self._stopping.set()
        self._sweeper.join()
        while self._receiver.is_alive():
            self._receiver.join(_LAST_POLL_SECONDS)
            if self._polling.is_set():
                break
        self._pool.shutdown()

    def _receive(self) -> None:
        """Whatever goes wrong, wait a little longer each time and go on."""
        failures = 0
        while not self._stopping.is_set():
            failures = 0 if self._receive_once() else failures + 1
            if failures:
                longest = min(2**failures, _LONGEST_PAUSE_SECONDS)
                self._stopping.wait(random.uniform(longest / 2, longest))

    def _receive_once(self) -> bool:
        """Receive and handle a batch. False where that failed, or one of its messages did."""
        try:
            self._polling.set()
            messages = self._queue.receive()
            self._polling.clear()
            if self._stopping.is_set():
                _tell(self._queue.give_back, messages)
                return True
            for sent_at in (message.sent_at for message in messages if message.sent_at is not None):
                self._figures.message_received(time.time() - sent_at)
            return self._handle_all(messages)
        except BackendUnavailable as error:
            log.warning("queue unavailable", extra={"store": error.store, "cause": error.cause})
        except Exception:
            log.exception("receiving failed")
        finally:
            self._polling.clear()
        return False

    def _handle_all(self, messages: list[Message]) -> bool:
        """Handle each message by itself. False where one could not be; it comes again by itself."""
        futures = {self._pool.submit(self._handled, message): message for message in messages}
        pending, succeeded = set(futures), True
        keep_at = time.monotonic() + VISIBILITY_SECONDS / 3
        while pending:
            done, pending = wait(pending, timeout=_TICK_SECONDS)
            handled = [futures[future] for future in done if future.result()]
            succeeded = succeeded and len(handled) == len(done)
            _tell(self._queue.delete, handled)
            if self._stopping.is_set():
                unbegun = {future for future in pending if future.cancel()}
                _tell(self._queue.give_back, [futures[future] for future in unbegun])
                pending -= unbegun
            if time.monotonic() >= keep_at:
                _tell(self._queue.keep, [futures[future] for future in pending])
                keep_at += VISIBILITY_SECONDS / 3
        return succeeded

    def _handled(self, message: Message) -> bool:
        began, done = time.perf_counter(), False
        self._figures.message_begun()
        try:
            done = handled(self._handle, message.message_id, message.body)
        finally:
            self._figures.message_ended(done=done, seconds=time.perf_counter() - began)
        return done

    def _sweep_often(self) -> None:
        while not self._stopping.is_set():
            try:
                for _ in self._sweep():
                    if self._stopping.is_set():
                        return
                self._figures.sweep_ended()
            except BackendUnavailable as error:
                log.warning("sweep cut short", extra={"store": error.store, "cause": error.cause})
            except Overloaded:
                log.warning("sweep cut short", extra={"cause": "overloaded"})
            except Exception:
                log.exception("sweep cut short")
            self._stopping.wait(self._sweep_seconds)


def _tell(say: Callable[[Iterable[Message]], None], messages: list[Message]) -> None:
    """Say something about messages to the queue. If it does not hear it, they come again, which does no harm."""
    if not messages:
        return
    try:
        say(messages)
    except BackendUnavailable:
        log.warning("queue unavailable", extra={"messages": len(messages)})
