"""The shapes that clients send. The OpenAPI document is made from these same classes.

They depend on the settings (how long may a title be?), so they are made per application by
`request_models`; the classes here say what the rest of the code sees.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    create_model,
)

from app.api.fields import (
    MAX_WANTED_TAGS,
    MAX_WANTED_TEXT,
    NAMES_SOMETHING,
    Digest,
    Moment,
    WantedTag,
    WantedText,
    bare_name,
    blank_as_none,
    distinct,
    json_number,
    one_of,
    only_without,
    plain_number,
    required_name,
    tag_cleaner,
    with_words,
    written_tags,
)
from app.api.parsing import RequestModel
from app.api.variant_queries import ThumbnailQuery
from app.errors import FieldError, InvalidRequest, UnsupportedImageType
from app.models import (
    Announcement,
    ContentType,
    ImageChanges,
    ImageFilter,
    NewImage,
    Status,
    TagMatch,
    UploadMethod,
    search_words,
)
from app.settings import Settings


class ImageEdit(RequestModel):
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
            changes["tags"] = tuple(self.tags or ())
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
                errors=[FieldError(name, "is given both outside and inside metadata") for name in sorted(twice)]
            )
        mine = self.model_dump(include=self.model_fields_set - {"image_data", "metadata"})
        return self.metadata.model_copy(update=mine)


class UploadAnnouncement(ImageEdit):
    """An image that its client will upload straight to S3."""

    filename: str
    content_type: Annotated[str, Field(description="image/jpeg, image/png, image/gif or image/webp")]
    file_size: Annotated[int, Field(ge=1, lt=2**53, description="bytes"), BeforeValidator(json_number)]
    sha256: Annotated[Digest | None, Field(description="hexadecimal; S3 then accepts no other bytes")] = None
    method: Annotated[UploadMethod, Field(description="PUT: the file as body; POST: a form")] = UploadMethod.PUT

    def announcement(self) -> Announcement:
        """Raises UnsupportedImageType."""
        try:
            content_type = ContentType(self.content_type.strip().lower())
        except ValueError as error:
            raise UnsupportedImageType("The content_type must be that of a JPEG, PNG, GIF or WebP image.") from error
        return Announcement(
            new=NewImage(filename=self.filename, **self.changes()),
            content_type=content_type,
            file_size=self.file_size,
            sha256=self.sha256,
            method=self.method,
        )


class ListQuery(RequestModel):
    """How to list images; all conditions must hold."""

    user_id: Annotated[str | None, Field(description="if given, must be the caller")] = None
    tags: Annotated[
        Annotated[list[WantedTag], Field(min_length=1), AfterValidator(distinct(MAX_WANTED_TAGS))] | None,
        BeforeValidator(written_tags),
        Field(description="separated by commas, or repeated; see tag_match"),
    ] = None
    tag_match: Annotated[Literal["any", "all"], Field(description="how many of the tags an image must have")] = "any"
    title: Annotated[
        Annotated[WantedText, StringConstraints(strip_whitespace=True)] | None,
        Field(description="the whole title, ignoring case"),
    ] = None
    title_prefix: Annotated[
        WantedText | None, Field(description="the start of the title, ignoring case; orders the list by title")
    ] = None
    title_contains: Annotated[WantedText | None, Field(description="a part of the title, ignoring case")] = None
    filename: Annotated[WantedText | None, Field(description="a part of the filename, ignoring case")] = None
    location: Annotated[WantedText | None, Field(description="a part of the location, ignoring case")] = None
    q: Annotated[
        Annotated[WantedText, AfterValidator(with_words)] | None,
        Field(description="words that must all occur in title, description, filename, location or tags"),
    ] = None
    sha256: Annotated[
        Digest | None,
        Field(description="of the stored bytes, hexadecimal; before UPLOADED, of the announced ones"),
    ] = None
    content_type: Annotated[WantedText | None, Field(description="exactly this type")] = None
    created_after: Annotated[Moment | None, Field(description="at or after this time")] = None
    created_before: Annotated[Moment | None, Field(description="before this time")] = None
    status: Literal["PENDING_UPLOAD", "UPLOADED", "REJECTED"] = "UPLOADED"
    order: Annotated[
        Literal["asc", "desc"] | None, Field(description="by created_at, desc by default; with title_prefix asc")
    ] = None
    limit: int
    cursor: Annotated[str | None, Field(description="next_cursor of the previous page")] = None
    explain: Annotated[bool, Field(description="show how the images were found and at what cost")] = False
    srcset: Annotated[bool, Field(description="show links to all sizes, as <img srcset> takes them")] = False

    def filter(self) -> ImageFilter:
        ascending = self.order == "asc" or (self.order is None and self.title_prefix is not None)
        return ImageFilter(
            status=Status(self.status),
            content_type=self.content_type,
            created_after=self.created_after,
            created_before=self.created_before,
            title=self.title,
            title_prefix=self.title_prefix,
            title_contains=self.title_contains,
            filename=self.filename,
            location=self.location,
            tags=tuple(self.tags or ()),
            tag_match=TagMatch(self.tag_match),
            words=search_words(self.q or ""),
            sha256=self.sha256,
            descending=not ascending,
        )


class TagsQuery(RequestModel):
    """Which of the caller's tags to show."""

    prefix: Annotated[
        str, StringConstraints(max_length=MAX_WANTED_TEXT), Field(description="the start of the tag, ignoring case")
    ] = ""
    limit: int


class DownloadQuery(RequestModel):
    """How to deliver an image's bytes."""

    download: Annotated[bool, Field(description="as an attachment")] = False
    redirect: Annotated[bool, Field(description="redirect to the presigned URL")] = False
    encoding: Annotated[
        Literal["base64"] | None, AfterValidator(only_without("redirect")), Field(description="inside JSON")
    ] = None


class MetadataQuery(RequestModel):
    """What to show of an image."""

    srcset: Annotated[bool, Field(description="show links to all sizes, as <img srcset> takes them")] = False


class NoQuery(RequestModel):
    """No parameters."""


class BatchDelete(RequestModel):
    image_ids: Annotated[list[str], Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class RequestModels:
    """The request models of one application, with its limits in them."""

    image_edit: type[ImageEdit]
    upload_fields: type[UploadFields]
    base64_upload: type[Base64Upload]
    upload_announcement: type[UploadAnnouncement]
    list_query: type[ListQuery]
    tags_query: type[TagsQuery]
    thumbnail_query: type[ThumbnailQuery]


def request_models(settings: Settings) -> RequestModels:
    def text(max_length: int, clean: Callable[[object], object] = blank_as_none) -> Any:
        limited = Annotated[str, StringConstraints(strip_whitespace=True, max_length=max_length)]
        return (Annotated[limited | None, BeforeValidator(clean)], None)

    # Lengths and number are those of the tags as they are kept, so that what is shown can be sent back.
    tag = Annotated[
        str,
        StringConstraints(min_length=1, max_length=settings.max_tag_length, pattern=r"[^\s\x1c-\x1f\x85]"),
        BeforeValidator(tag_cleaner(settings.max_tag_length)),
    ]
    several = Annotated[
        list[tag],
        AfterValidator(distinct(settings.max_tags)),
        Field(json_schema_extra={"maxItems": settings.max_tags}),
    ]
    tags: Any = Annotated[several | None, BeforeValidator(written_tags)]
    texts: dict[str, Any] = {
        "title": text(settings.max_title_length),
        "description": text(settings.max_description_length),
        "location": text(settings.max_location_length),
        "tags": (tags, None),
    }
    texts_with_name = texts | {"filename": text(settings.max_filename_length, bare_name)}
    name: Any = Annotated[str, StringConstraints(strip_whitespace=True, max_length=settings.max_filename_length)]
    limit: Any = (
        Annotated[
            int,
            Field(ge=1, le=settings.max_list_limit, description="entries on a page"),
            BeforeValidator(plain_number),
        ],
        settings.default_list_limit,
    )
    side: Any = (
        Annotated[
            Annotated[int, Field(ge=1, le=settings.variant_sizes[-1])] | None,
            BeforeValidator(plain_number),
            Field(description="pixels, rounded up to one of variant_sizes in /limits"),
        ],
        None,
    )
    preset: Any = Annotated[
        str, AfterValidator(one_of(settings.presets)), Field(json_schema_extra={"enum": list(settings.presets)})
    ]
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
            filename=(Annotated[name, BeforeValidator(required_name), Field(json_schema_extra=NAMES_SOMETHING)], ...),
        ),
        list_query=create_model("ListQuery", __base__=ListQuery, limit=limit),
        tags_query=create_model("TagsQuery", __base__=TagsQuery, limit=limit),
        thumbnail_query=create_model(
            "ThumbnailQuery", __base__=ThumbnailQuery, width=side, height=side, preset=(preset | None, None)
        ),
    )
