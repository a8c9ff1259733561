"""The shapes that clients send and get. The OpenAPI document is made from these same classes.

Request models depend on the settings (how long may a title be?), so they are made per application
by `request_models`; the classes here say what the rest of the code sees. A response model names
all that is shown, so nothing else can leak.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    create_model,
)
from pydantic_core import PydanticCustomError

from app.errors import FieldError, InvalidRequest
from app.models import (
    ContentType,
    DeleteOutcome,
    Image,
    ImageChanges,
    ImageFilter,
    NewImage,
    cleaned_filename,
    normalised_tags,
    parsed_timestamp,
    rfc3339,
)
from app.settings import Settings


def _blank_as_none(value: object) -> object:
    """Forms send an empty field for "nothing"."""
    return None if isinstance(value, str) and not value.strip() else value


def split_tags(text: str) -> list[Any]:
    """Tags written as a JSON array, or separated by commas."""
    if text.lstrip().startswith("["):
        try:
            parsed: list[Any] = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise PydanticCustomError("tags", "starts like a JSON array but is none") from error
        return parsed
    return [part for part in text.split(",") if part.strip()]


def _bare_name(value: object) -> object:
    return cleaned_filename(value) if isinstance(value, str) else value


def _tag_list(value: object) -> object:
    if value is None:
        return []
    return split_tags(value) if isinstance(value, str) else value


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parsed_timestamp(value)
    except ValueError as error:
        raise PydanticCustomError("timestamp", "{problem}", {"problem": str(error)}) from error


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "description": "an RFC 3339 time, or a date (midnight UTC)"}),
]


class Request(BaseModel):
    """Base of what clients send: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageEdit(Request):
    """Members left out stay as they are, null clears."""

    title: str | None = None
    description: str | None = None
    location: str | None = None
    tags: list[str] | None = None

    def changes(self) -> ImageChanges:
        changes = ImageChanges()
        if "title" in self.model_fields_set:
            changes["title"] = self.title
        if "description" in self.model_fields_set:
            changes["description"] = self.description
        if "location" in self.model_fields_set:
            changes["location"] = self.location
        if "tags" in self.model_fields_set:
            changes["tags"] = normalised_tags(self.tags or ())
        return changes


class UploadFields(ImageEdit):
    """What may be said about an image while it is uploaded."""

    filename: str | None = None

    def new_image(self) -> NewImage:
        return NewImage(filename=self.filename, **self.changes())


class Base64Upload(UploadFields):
    """An image inside of JSON. The fields may also stand in `metadata`."""

    image_data: str
    metadata: UploadFields | None = None

    def fields(self) -> UploadFields:
        """The fields from both places. Raises InvalidRequest where one is given in both."""
        if self.metadata is None:
            return self
        twice = (self.model_fields_set & self.metadata.model_fields_set) - {"image_data", "metadata"}
        if twice:
            raise InvalidRequest(
                errors=[FieldError(name, "is given both outside and inside of metadata") for name in sorted(twice)]
            )
        mine = self.model_dump(include=self.model_fields_set - {"image_data", "metadata"})
        return self.metadata.model_copy(update=mine)


class ListQuery(Request):
    """How to list images; all conditions must hold."""

    user_id: Annotated[str | None, Field(description="if given, must be the caller")] = None
    content_type: Annotated[str | None, Field(description="exactly this type")] = None
    created_after: Annotated[Moment | None, Field(description="not before this moment")] = None
    created_before: Annotated[Moment | None, Field(description="before this moment")] = None
    status: Literal["UPLOADED"] = "UPLOADED"
    order: Annotated[Literal["asc", "desc"], Field(description="by created_at")] = "desc"
    limit: int
    cursor: Annotated[str | None, Field(description="next_cursor of the page before")] = None

    def filter(self) -> ImageFilter:
        return ImageFilter(
            content_type=self.content_type,
            created_after=self.created_after,
            created_before=self.created_before,
            newest_first=self.order == "desc",
        )


class DownloadQuery(Request):
    """How to deliver an image's bytes."""

    download: Annotated[bool, Field(description="as an attachment")] = False
    redirect: Annotated[bool, Field(description="by a redirect to the presigned URL")] = False
    encoding: Annotated[Literal["base64"] | None, Field(description="inside of JSON")] = None


class NoQuery(Request):
    """No parameters."""


class BatchDelete(Request):
    image_ids: Annotated[list[str], Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class RequestModels:
    """The request models of one application, with its limits in them."""

    image_edit: type[ImageEdit]
    upload_fields: type[UploadFields]
    base64_upload: type[Base64Upload]
    list_query: type[ListQuery]


def request_models(settings: Settings) -> RequestModels:
    def text(max_length: int, clean: Callable[[object], object] = _blank_as_none) -> Any:
        limited = Annotated[str, StringConstraints(strip_whitespace=True, max_length=max_length)]
        return (Annotated[limited | None, BeforeValidator(clean)], None)

    tag = Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=settings.max_tag_length, pattern=r"\S")
    ]
    tags: Any = Annotated[
        Annotated[list[tag], Field(max_length=settings.max_tags)] | None,
        BeforeValidator(_tag_list),
    ]
    texts: dict[str, Any] = {
        "title": text(settings.max_title_length),
        "description": text(settings.max_description_length),
        "location": text(settings.max_location_length),
        "tags": (tags, None),
    }
    texts_with_name = texts | {"filename": text(settings.max_filename_length, _bare_name)}
    limit: Any = (
        Annotated[int, Field(ge=1, le=settings.max_list_limit, description="images on the page")],
        settings.default_list_limit,
    )
    upload_fields = create_model("UploadFields", __base__=UploadFields, **texts_with_name)
    metadata: Any = (upload_fields | None, None)
    return RequestModels(
        image_edit=create_model("ImageEdit", __base__=ImageEdit, **texts),
        upload_fields=upload_fields,
        base64_upload=create_model("Base64Upload", __base__=Base64Upload, **texts_with_name, metadata=metadata),
        list_query=create_model("ListQuery", __base__=ListQuery, limit=limit),
    )


class Response(BaseModel):
    """Base of what clients get."""

    model_config = ConfigDict(frozen=True)


class ImageResource(Response):
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
    width: Annotated[int, Field(description="pixels as seen")]
    height: Annotated[int, Field(description="pixels as seen")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    status: Literal["UPLOADED"]
    created_at: str
    updated_at: str
    version: int
    download_url: Annotated[str, Field(description="presigned; needs no identity")]
    url_expires_at: str

    @classmethod
    def of(cls, image: Image, download: tuple[str, datetime]) -> "ImageResource":
        url, expires_at = download
        # Built from our own values, so not validated again: a list shows a hundred of them.
        return cls.model_construct(
            image_id=image.image_id,
            user_id=image.user_id,
            filename=image.filename,
            title=image.title,
            description=image.description,
            location=image.location,
            tags=list(image.tags),
            content_type=image.content_type,
            file_size=image.file_size,
            width=image.width,
            height=image.height,
            sha256=image.sha256,
            status="UPLOADED",
            created_at=rfc3339(image.created_at),
            updated_at=rfc3339(image.updated_at),
            version=image.version,
            download_url=url,
            url_expires_at=rfc3339(expires_at),
        )


class ImageList(Response):
    images: list[ImageResource]
    count: Annotated[int, Field(description="images on this page")]
    next_cursor: str | None


class Base64Download(Response):
    image_id: str
    filename: str
    content_type: ContentType
    image_data: Annotated[str, Field(description="base64")]


class Deleted(Response):
    message: str
    image_id: str


class BatchDeleteResult(Response):
    image_id: str
    status: DeleteOutcome


class BatchDeleteResults(Response):
    results: list[BatchDeleteResult]


class Health(Response):
    status: Literal["healthy"]


class Readiness(Response):
    status: Literal["ready", "unavailable"]
    checks: dict[str, Literal["ok", "failing"]]


class Limits(Response):
    """What this service accepts. Sizes in bytes, lengths in characters."""

    max_upload_bytes: int
    max_image_pixels: int
    content_types: list[ContentType]
    max_title_length: int
    max_description_length: int
    max_location_length: int
    max_filename_length: int
    max_tags: int
    max_tag_length: int
    default_list_limit: int
    max_list_limit: int
    upload_routes: Annotated[
        list[Literal["multipart", "raw", "base64"]], Field(description="the forms in which images can be uploaded")
    ]


class FieldProblem(Response):
    field: str
    message: str


class Problem(Response):
    """Any failure (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem] | None = None


Model = TypeVar("Model", bound=Request)


def parse(model: type[Model], values: Mapping[str, object]) -> Model:
    """The values as a model. Raises InvalidRequest that names each field which is not right."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidRequest(errors=_field_errors(error)) from error


def single_values(pairs: Iterable[tuple[str, str]], *, lists: frozenset[str] = frozenset()) -> dict[str, object]:
    """Form fields or query parameters as a mapping; those named in `lists` may be given repeatedly.

    Raises InvalidRequest where another is given twice.
    """
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in lists:
            try:
                so_far = values.setdefault(name, [])
                assert isinstance(so_far, list)
                so_far += split_tags(value)
            except PydanticCustomError as error:
                raise InvalidRequest(errors=[FieldError(name, error.message())]) from error
        elif name in values:
            raise InvalidRequest(errors=[FieldError(name, "is given more than once")])
        else:
            values[name] = value
    return values


def _field_errors(error: ValidationError) -> list[FieldError]:
    return [
        FieldError(".".join(str(part) for part in item["loc"]), item["msg"])
        for item in error.errors(include_input=False, include_url=False)
    ]
