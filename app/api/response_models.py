"""The shapes that clients get. The OpenAPI document is made from these same classes.

A model names all that is shown, so nothing else can leak.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict  # pydantic refuses typing's before Python 3.12

from app.models import ContentType, DeleteOutcome, PublicStatus, StripMetadata, UploadMethod
from app.variant_specs import VariantFormat


class ResponseModel(BaseModel):
    """Base of what clients get."""

    model_config = ConfigDict(frozen=True)


# What is shown of images are dictionaries: to make models of a page's hundred, and JSON of those, takes
# longer than all else that a list does.


class Reason(TypedDict):
    """Why an image was not accepted: the code and the words that the API would have refused it with."""

    code: str
    detail: str


class ImageResource(TypedDict):
    """An image as its owner sees it."""

    image_id: str
    user_id: str
    filename: str
    title: str | None
    description: str | None
    location: str | None
    tags: list[str]
    content_type: ContentType
    file_size: Annotated[int, Field(description="bytes")]
    width: Annotated[int | None, Field(description="pixels as displayed")]
    height: Annotated[int | None, Field(description="pixels as displayed")]
    frames: Annotated[int | None, Field(description="more than 1 for an animation")]
    has_alpha: Annotated[bool | None, Field(description="whether pixels can be transparent")]
    dominant_color: Annotated[str | None, Field(pattern="^#[0-9a-f]{6}$")]
    placeholder: Annotated[str | None, Field(description="ThumbHash of the first frame, base64")]
    captured_at: Annotated[
        str | None,
        Field(
            description="when the camera took it: RFC 3339 where it knew its offset from UTC, "
            "else local time without an offset"
        ),
    ]
    sha256: Annotated[str | None, Field(pattern="^[0-9a-f]{64}$")]
    status: PublicStatus
    created_at: str
    updated_at: str
    version: int
    download_url: Annotated[str | None, Field(description="presigned; needs no identity")]
    url_expires_at: str | None
    thumbnail_url: Annotated[
        str | None,
        Field(
            description="a variant at most 256 pixels wide, for an <img>: signed, needs no identity; "
            "a path from this service's root, unless PUBLIC_URL is set"
        ),
    ]
    srcset: NotRequired[Annotated[str, Field(description="only with srcset=true: all available sizes")]]
    rejection: NotRequired[Annotated[Reason, Field(description="only if the status is REJECTED")]]


class Plan(TypedDict):
    """How a list was found, and what it cost."""

    index: Annotated[str, Field(description="the index that was read, or postings")]
    lists: Annotated[list[str], Field(description="posting lists that were joined")]
    rows_read: Annotated[int, Field(description="images that were read")]
    postings_read: int
    read_units: Annotated[float, Field(description="as DynamoDB counted them")]
    requests: Annotated[int, Field(description="to DynamoDB")]


class UploadRequest(TypedDict):
    """The request that uploads the image: Uppy's `getUploadParameters` may return it as it is."""

    method: UploadMethod
    url: str
    headers: Annotated[dict[str, str], Field(description="send them as they are")]
    fields: Annotated[dict[str, str], Field(description="of the form (POST), sent before the file")]
    expires_at: str


class IssuedUpload(TypedDict):
    """The image as announced, and how to upload it."""

    image: ImageResource
    upload: UploadRequest


class ImageList(TypedDict):
    """A page of a list."""

    images: list[ImageResource]
    count: Annotated[int, Field(description="images on this page")]
    next_cursor: str | None
    plan: NotRequired[Annotated[Plan, Field(description="only with explain=true")]]


class Tags(ResponseModel):
    tags: Annotated[list[str], Field(description="sorted, each once")]


class Base64Download(ResponseModel):
    image_id: str
    filename: str
    content_type: ContentType
    image_data: Annotated[str, Field(description="base64")]


class Deleted(ResponseModel):
    message: str
    image_id: str


class BatchDeleteResult(ResponseModel):
    image_id: str
    status: DeleteOutcome


class BatchDeleteResults(ResponseModel):
    results: list[BatchDeleteResult]


class Health(ResponseModel):
    status: Literal["healthy"]


class Readiness(ResponseModel):
    status: Literal["ready"]
    checks: dict[str, Literal["ok"]]


class Limits(ResponseModel):
    """What this service accepts. Sizes in bytes, lengths in characters."""

    max_upload_bytes: Annotated[int, Field(description="largest file in a request; base64 may be a third longer")]
    max_direct_upload_bytes: Annotated[int, Field(description="largest file uploaded through /uploads")]
    max_request_bytes: Annotated[int | None, Field(description="largest request body, if further limited")]
    max_response_bytes: Annotated[
        int | None, Field(description="largest image in an answer; a larger one is redirected to its presigned URL")
    ]
    max_image_pixels: int
    max_image_side: Annotated[int, Field(description="pixels")]
    max_image_frames: int
    max_image_scans: Annotated[int, Field(description="of a progressive JPEG")]
    max_image_metadata_bytes: Annotated[int, Field(description="profiles, Exif data and texts, once inflated")]
    max_image_decode_bytes: Annotated[int, Field(description="memory needed for decoding, according to the header")]
    content_types: list[ContentType]
    strip_metadata: Annotated[
        StripMetadata,
        Field(description="what is removed from files; an image's `file_size` and `sha256` describe what is left"),
    ]
    max_title_length: int
    max_description_length: int
    max_location_length: int
    max_filename_length: int
    max_tags: int
    max_tag_length: int
    default_list_limit: int
    max_list_limit: int
    variant_sizes: Annotated[list[int], Field(description="pixels; widths and heights are rounded up to these")]
    variant_qualities: Annotated[list[int], Field(description="qualities are rounded up to these")]
    variant_formats: list[VariantFormat]
    variant_presets: list[str]
    upload_routes: Annotated[
        list[Literal["multipart", "raw", "base64", "presigned-put", "presigned-post"]],
        Field(description="the forms in which images can be uploaded; the presigned ones through /uploads"),
    ]


class UsageReport(ResponseModel):
    """How much the caller has: images that are finished, on their way, or being deleted."""

    images: int
    bytes: Annotated[int, Field(description="as uploaded or announced; variants do not count")]
    max_images: Annotated[int | None, Field(description="null: any number")]
    max_bytes: int | None


class FieldProblem(ResponseModel):
    field: str
    message: str


class Problem(ResponseModel):
    """Any failure (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem] | None = None
    checks: Annotated[
        dict[str, Literal["ok", "failing"]] | None, Field(description="of /ready: which store does not answer")
    ] = None
