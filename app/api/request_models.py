"""The shapes that clients send. The OpenAPI document is made from these same classes.

They depend on the settings (how long may a title be?), so they are made per application by
`request_models`; the classes here say what the rest of the code sees.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from app.api.parsing import Request, split_tags
from app.errors import FieldError, InvalidRequest, UnsupportedImageType
from app.models import (
    Announcement,
    ContentType,
    ImageChanges,
    ImageFilter,
    NewImage,
    UploadMethod,
    cleaned_filename,
    normalised_tags,
    parsed_timestamp,
)
from app.settings import Settings


def _blank_as_none(value: object) -> object:
    """Forms send an empty field for "nothing"."""
    return None if isinstance(value, str) and not value.strip() else value


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


class UploadAnnouncement(ImageEdit):
    """An image that its client will upload straight to S3."""

    filename: str
    content_type: Annotated[str, Field(description="image/jpeg, image/png, image/gif or image/webp")]
    file_size: Annotated[int, Field(strict=True, ge=1, description="bytes")]
    sha256: Annotated[
        str | None, Field(pattern="^[0-9A-Fa-f]{64}$", description="hexadecimal; S3 then takes no other bytes")
    ] = None
    method: Annotated[UploadMethod, Field(description="PUT: the file as body; POST: a form")] = UploadMethod.PUT

    def announcement(self) -> Announcement:
        """Raises UnsupportedImageType."""
        try:
            content_type = ContentType(self.content_type.strip().lower())
        except ValueError as error:
            raise UnsupportedImageType("The content_type is not that of a JPEG, PNG, GIF or WebP image.") from error
        return Announcement(
            new=NewImage(filename=self.filename, **self.changes()),
            content_type=content_type,
            file_size=self.file_size,
            sha256=self.sha256.lower() if self.sha256 else None,
            method=self.method,
        )


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
    upload_announcement: type[UploadAnnouncement]
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
    name: Any = Annotated[str, StringConstraints(strip_whitespace=True, max_length=settings.max_filename_length)]
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
        upload_announcement=create_model(
            "UploadAnnouncement",
            __base__=UploadAnnouncement,
            **texts,
            filename=(Annotated[name, BeforeValidator(_bare_name)], ...),
        ),
        list_query=create_model("ListQuery", __base__=ListQuery, limit=limit),
    )
