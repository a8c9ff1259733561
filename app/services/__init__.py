"""What the product does. `build_services` is the one place where it is wired together."""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from app.metrics import Metrics
from app.services.aws import AWSClientFactory
from app.services.cursor import CursorSigner
from app.services.idempotency import IdempotencyKeys
from app.services.images import ImageService
from app.services.inspection import Inspector
from app.services.links import LinkSigner
from app.services.metadata import ImageMetadataService
from app.services.observed_calls import Call
from app.services.queue import UploadQueue
from app.services.readiness import Readiness
from app.services.storage import ImageStorageService
from app.services.uploads import DirectUploadService
from app.services.usage import UsageCounters
from app.services.variants import VariantService
from app.settings import Settings, SettingsError
from app.spending import spend
from app.times import Clock, utc_now

if TYPE_CHECKING:
    from app.tracing import Tracing


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
    readiness: Readiness
    metrics: Metrics
    tracing: "Tracing | None"
    clock: Clock


def build_services(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    tracing: "Tracing | None" = None,
    signs: bool = True,
) -> Services:
    """Wire the services; no connection is made before the first call. Raises SettingsError.

    What signs neither cursors nor links (`signs` is False) needs no SECRET_KEY.
    """
    if settings.secret_key is None:
        if signs:
            raise SettingsError("SECRET_KEY is needed (./startup.sh creates one in DATA_DIR if STAGE=local)")
        settings = settings.model_copy(update={"secret_key": SecretStr(secrets.token_urlsafe(48))})
    metrics = Metrics()

    def note(call: Call) -> None:
        spend(call.store, call.seconds)
        metrics.call_ended(*call)
        if tracing is not None:
            tracing.call_ended(*call)

    factory = AWSClientFactory(settings, note)
    storage = ImageStorageService(factory, settings)
    usage = UsageCounters(factory, settings, clock=clock)
    metadata = ImageMetadataService(factory, settings, usage)
    cursors = CursorSigner(*settings.signing_secrets)
    keys = IdempotencyKeys(factory, settings, clock=clock, new_id=new_id)
    queue = UploadQueue(factory, settings)
    inspector = Inspector(settings, metrics.admission_ended)
    variants = VariantService(storage, metadata, inspector.budget)
    images = ImageService(
        storage, metadata, keys, cursors, inspector=inspector, variants=variants, settings=settings, clock=clock
    )
    uploads = DirectUploadService(
        storage,
        metadata,
        keys,
        images,
        inspector=inspector,
        variants=variants,
        settings=settings,
        clock=clock,
        observe=metrics.upload_settled,
        tracing=tracing,
    )
    return Services(
        storage=storage,
        metadata=metadata,
        usage=usage,
        queue=queue,
        inspector=inspector,
        images=images,
        uploads=uploads,
        variants=variants,
        links=LinkSigner(*settings.signing_secrets, lifetime_seconds=settings.thumbnail_url_seconds),
        readiness=Readiness({"s3": storage.ping, "dynamodb": metadata.ping, "sqs": queue.ping}),
        metrics=metrics,
        tracing=tracing,
        clock=clock,
    )
