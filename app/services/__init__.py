"""What the product does. `build_services` is the one place where it is wired together."""

import logging
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from app.errors import BackendUnavailable
from app.metrics import Metrics
from app.services.aws import AWSClientFactory
from app.services.cursor import CursorSigner
from app.services.idempotency import IdempotencyKeys
from app.services.images import ImageService
from app.services.inspection import Inspector
from app.services.links import LinkSigner
from app.services.metadata import ImageMetadataService
from app.services.queue import UploadQueue
from app.services.storage import ImageStorageService
from app.services.uploads import DirectUploadService
from app.services.usage import UsageCounters
from app.services.variants import VariantService
from app.settings import Settings, SettingsError
from app.times import Clock, utc_now

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one process, with the clock they share."""

    storage: ImageStorageService
    metadata: ImageMetadataService
    usage: UsageCounters
    queue: UploadQueue
    inspector: Inspector
    images: ImageService
    uploads: DirectUploadService
    variants: VariantService
    links: LinkSigner
    metrics: Metrics
    clock: Clock

    def failing_stores(self) -> list[str]:
        """Those of the stores that do not answer now, asked side by side."""
        pings = {"s3": self.storage.ping, "dynamodb": self.metadata.ping, "sqs": self.queue.ping}
        with ThreadPoolExecutor(len(pings)) as pool:
            answers = {store: pool.submit(ping) for store, ping in pings.items()}
        return [store for store, answer in answers.items() if not _succeeded(store, answer)]


def _succeeded(store: str, answer: Future[None]) -> bool:
    try:
        answer.result()
    except (BackendUnavailable, ClientError, BotoCoreError) as error:
        log.warning("store not ready", extra={"store": store, "cause": str(error)})
        return False
    return True


def build_services(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Services:
    """Wire the services; no connection is made before the first call. Raises SettingsError."""
    if settings.secret_key is None:
        raise SettingsError("SECRET_KEY: is needed (./startup.sh makes one in DATA_DIR for local use)")
    metrics = Metrics()
    factory = AWSClientFactory(settings, metrics.call_ended)
    storage = ImageStorageService(factory, settings)
    usage = UsageCounters(factory, settings, clock=clock)
    metadata = ImageMetadataService(factory, settings, usage)
    cursors = CursorSigner(*settings.signing_secrets)
    keys = IdempotencyKeys(factory, settings, clock=clock, new_id=new_id)
    inspector = Inspector(settings)
    images = ImageService(storage, metadata, keys, cursors, inspector, settings=settings, clock=clock)
    uploads = DirectUploadService(storage, metadata, keys, images, inspector, settings=settings, clock=clock)
    return Services(
        storage=storage,
        metadata=metadata,
        usage=usage,
        queue=UploadQueue(factory, settings),
        inspector=inspector,
        images=images,
        uploads=uploads,
        variants=VariantService(storage, metadata, inspector.budget),
        links=LinkSigner(*settings.signing_secrets, lifetime_seconds=settings.thumbnail_url_seconds),
        metrics=metrics,
        clock=clock,
    )
