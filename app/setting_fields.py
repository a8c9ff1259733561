"""Every setting that the environment may change, with its type, its default, and what it is for: one list."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from app.models import MAX_TAG_LENGTH, StripMetadata
from app.setting_types import (
    LOCAL_STAGE,
    Count,
    Port,
    Preset,
    PublicKeyAlgorithm,
    Rate,
    SecretAlgorithm,
    Side,
    SpecName,
    Url,
    WebAddress,
    ascending,
    redis_url,
    split,
)


class SettingFields(BaseModel):
    """The settings as they are given. The environment variable is the field's name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    stage: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9-]{0,31}$",
            description="local, or the name of a deployment; in prod or production nothing is created here",
        ),
    ] = LOCAL_STAGE
    host: Annotated[str, Field(description="address to listen on; 0.0.0.0 inside a container")] = "127.0.0.1"
    port: Annotated[Port, Field(description="port to listen on")] = 5000
    web_workers: Annotated[Count, Field(description="gunicorn worker processes")] = 2
    web_threads: Annotated[Count, Field(description="threads in each worker process")] = 8
    metrics_token: Annotated[
        SecretStr | None,
        Field(
            min_length=16,
            description="the bearer token that reads /metrics; empty: none, and /metrics only if STAGE=local",
        ),
    ] = None
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="DEBUG, INFO, WARNING or ERROR")
    ] = "INFO"
    slow_request_seconds: Annotated[
        float, Field(ge=0, description="a request that takes this long gets a log line that says where the time went")
    ] = 2.0
    otel_exporter_otlp_endpoint: Annotated[
        Url | None,
        Field(
            description="where traces are sent, by OTLP over HTTP, such as http://localhost:4318; needs "
            "requirements-tracing.txt; empty: no traces (docs/operations.md)"
        ),
    ] = None
    secret_key: Annotated[
        SecretStr | None,
        Field(
            min_length=32,
            description="signs cursors and links, at least 32 characters; empty: ./startup.sh makes one in DATA_DIR",
        ),
    ] = None
    previous_secret_key: Annotated[
        SecretStr | None,
        Field(
            min_length=32,
            description="the previous SECRET_KEY: what it signed stays valid while this is set",
        ),
    ] = None
    public_url: Annotated[
        Url | None,
        Field(description="where clients reach this service; empty: thumbnail_url is a path from the root"),
    ] = None

    auth_mode: Annotated[
        Literal["header", "jwt"],
        Field(description="header: X-User-ID, set by a gateway; jwt: a signed bearer token"),
    ] = "header"
    trusted_proxy: Annotated[
        bool,
        Field(
            description="true: a gateway sets X-User-ID (else production refuses AUTH_MODE=header) "
            "and adds the client's address to X-Forwarded-For"
        ),
    ] = False
    jwt_issuer: Annotated[str | None, Field(description="who signs the tokens (iss); needed with AUTH_MODE=jwt")] = None
    jwt_audience: Annotated[
        str | None, Field(description="who the tokens are for (aud): this service; needed with AUTH_MODE=jwt")
    ] = None
    jwt_jwks_url: Annotated[
        WebAddress | None, Field(description="where the issuer publishes its keys; https, unless STAGE=local")
    ] = None
    jwt_key: Annotated[
        SecretStr | None,
        Field(description="instead of JWT_JWKS_URL: a public key in PEM, or for HS256 a secret of at least 32 bytes"),
    ] = None
    jwt_algorithms: Annotated[
        tuple[SecretAlgorithm | PublicKeyAlgorithm, ...],
        BeforeValidator(split),
        Field(min_length=1, description="the signature algorithms that are accepted, comma-separated"),
    ] = ("RS256", "ES256")
    jwt_user_claim: Annotated[str, Field(min_length=1, description="the claim that names the user")] = "sub"

    api_cors_origins: Annotated[
        tuple[Annotated[str, Field(pattern=r"^https?://[^/\s*?#,]+$")], ...],
        BeforeValidator(split),
        Field(description="web origins, other than its own, whose pages may use this API, comma-separated"),
    ] = ()
    rate_limit_per_user: Annotated[
        Rate | None, Field(description="such as 600/minute; empty: no limit here, as a gateway usually has one")
    ] = None
    rate_limit_per_address: Annotated[
        Rate | None, Field(description="the same for each client address, which many people may share")
    ] = None
    rate_limit_storage: Annotated[
        SecretStr | None,
        AfterValidator(redis_url),
        Field(description="redis://... to count together; empty: each process counts for itself"),
    ] = None
    max_images_per_user: Annotated[
        Count | None, Field(description="most images a user may have; the same for every process; empty: no limit")
    ] = None
    max_bytes_per_user: Annotated[Count | None, Field(description="most bytes of all of a user's images, likewise")] = (
        None
    )

    aws_region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$", description="region of bucket, table and queue")] = (
        "us-east-1"
    )
    aws_endpoint_url: Annotated[
        Url | None,
        Field(description="AWS endpoint; empty: the embedded emulator if STAGE=local, else AWS itself"),
    ] = None
    s3_public_endpoint_url: Annotated[
        Url | None,
        Field(description="S3's address in presigned URLs, if clients use another than the service does"),
    ] = None
    aws_access_key_id: Annotated[
        str | None,
        Field(description="empty: test if an endpoint is set, else boto3's default chain (role, profile ...)"),
    ] = None
    aws_secret_access_key: Annotated[
        SecretStr | None, Field(description="as above; never use real credentials with an emulator")
    ] = None
    aws_session_token: Annotated[SecretStr | None, Field(description="with temporary credentials only")] = None
    fast_aws: Annotated[
        bool, Field(description="make the hot calls of S3 and DynamoDB without boto3 (docs/adr/0018-fast-clients.md)")
    ] = True
    s3_bucket: Annotated[
        str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="bucket of the images")
    ] = "images"
    images_table: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{3,255}$", description="table of the metadata")] = (
        "images-metadata"
    )
    postings_table: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9._-]{3,255}$", description="table of tags, words and digests, to find images by"),
    ] = "image-postings"
    uploads_queue: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_-]{1,75}$", description="queue of the bucket's events")
    ] = "image-uploads"
    bucket_cors_origins: Annotated[
        tuple[Url, ...] | None,
        BeforeValidator(split),
        Field(
            description="web origins that may use presigned URLs, comma-separated; applied to buckets created here; "
            "empty: this service's own on this machine"
        ),
    ] = None
    metadata_records: Annotated[
        bool | None,
        Field(description="keep a copy of each row in the bucket; empty: yes, except in production"),
    ] = None

    emulator_port: Annotated[Port, Field(description="port of the embedded emulator")] = 4566
    data_dir: Annotated[Path, Field(description="where the embedded emulator keeps its data")] = Path("data")

    max_upload_bytes: Annotated[Count, Field(description="largest file through the API")] = 10 * 1024 * 1024
    max_direct_upload_bytes: Annotated[Count, Field(description="largest file straight to the bucket")] = (
        100 * 1024 * 1024
    )
    max_request_bytes: Annotated[
        Count | None,
        Field(description="largest request body, if something in front has a limit; empty: no limit"),
    ] = None
    max_response_bytes: Annotated[
        Count | None,
        Field(description="largest answer, likewise; larger images are redirected to S3"),
    ] = None
    max_image_pixels: Annotated[Count, Field(description="most pixels of an image, summed over its frames")] = (
        50_000_000
    )
    max_image_side: Annotated[Count, Field(description="largest width or height of an image, in pixels")] = 16_384
    max_image_frames: Annotated[Count, Field(description="most frames of an animation")] = 1000
    max_image_scans: Annotated[Count, Field(description="most scans of a progressive JPEG")] = 100
    max_image_metadata_bytes: Annotated[
        Count, Field(description="largest profiles, Exif data and texts of an image in all, once inflated")
    ] = 4 * 1024 * 1024
    max_image_decode_bytes: Annotated[
        Count, Field(description="most memory that decoding one image may take, according to its header")
    ] = 256 * 1024 * 1024
    decode_memory_bytes: Annotated[
        Count, Field(description="memory for all images that one process decodes at once")
    ] = 512 * 1024 * 1024
    decode_wait_seconds: Annotated[
        float, Field(ge=0, le=60, description="how long an image waits for that memory before it is refused")
    ] = 2.0
    strip_metadata: Annotated[
        StripMetadata,
        Field(
            description="what is removed from files before they are stored: none, location, or all "
            "metadata except orientation, colour profile and copyright; variants never have any"
        ),
    ] = StripMetadata.NONE
    max_title_length: Annotated[Count, Field(description="most characters of a title")] = 200
    max_description_length: Annotated[Count, Field(le=20_000, description="most characters of a description")] = 2000
    max_location_length: Annotated[Count, Field(le=2000, description="most characters of a location")] = 200
    max_filename_length: Annotated[Count, Field(le=255, description="most characters of a filename")] = 255
    max_tag_length: Annotated[Count, Field(le=MAX_TAG_LENGTH, description="most characters of a tag")] = 50
    max_tags: Annotated[Count, Field(le=50, description="tags of one image")] = 20
    default_list_limit: Annotated[Count, Field(description="images on a page unless the client says otherwise")] = 10
    max_list_limit: Annotated[Count, Field(le=1000, description="most images on a page")] = 100
    max_list_candidates: Annotated[Count, Field(description="images that one list request may read")] = 2000
    download_url_seconds: Annotated[
        int, Field(ge=60, le=604_800, description="lifetime of presigned download URLs, at most 7 days")
    ] = 3600
    thumbnail_url_seconds: Annotated[
        int, Field(ge=60, le=31_536_000, description="lifetime of links to variants, at most a year")
    ] = 86_400
    variant_sizes: Annotated[
        tuple[Side, ...],
        BeforeValidator(split),
        AfterValidator(ascending),
        Field(min_length=1, description="widths and heights of variants in pixels; others are rounded up to these"),
    ] = (64, 128, 256, 512, 1024, 2048)
    variant_presets: Annotated[
        tuple[Preset, ...],
        BeforeValidator(split),
        Field(description="variants with names and exact sizes: name=WIDTHxHEIGHT-contain, -cover, -cover-attention"),
    ] = ("avatar=128x128-cover", "card=512x512-contain")
    variants_at_upload: Annotated[
        tuple[SpecName, ...],
        BeforeValidator(split),
        Field(
            description="variants made while a file is checked, instead of when first requested, named as in links: "
            "256x-contain-q80.auto (the best available format), 128x128-cover-center-q80.webp"
        ),
    ] = ()
    upload_url_seconds: Annotated[
        int, Field(ge=1, le=604_800, description="lifetime of presigned uploads, at most 7 days")
    ] = 3600
    worker_threads: Annotated[Count, Field(description="objects that one worker process checks at once")] = 4
    sweep_seconds: Annotated[Count, Field(description="how often the worker looks for expired uploads")] = 300
    worker_metrics_host: Annotated[str, Field(description="address on which the worker publishes its metrics")] = (
        "127.0.0.1"
    )
    worker_metrics_port: Annotated[
        Port | None,
        Field(description="port for that, at /metrics, with METRICS_TOKEN if it is set; empty: none"),
    ] = None
