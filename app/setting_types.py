"""What a setting may be, and how its text is read: parts of `Settings`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr

from app.variant_specs import parsed_preset, parsed_spec

LOCAL_STAGE = "local"
PRODUCTION_STAGES = frozenset({"prod", "production"})


def _url_without_slash(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return value.rstrip("/")


def redis_url(value: SecretStr | None) -> SecretStr | None:
    """Raises ValueError where it is none."""
    if value is not None and not value.get_secret_value().startswith(("redis://", "rediss://")):
        raise ValueError("must start with redis:// or rediss://")
    return value


def split(value: Any) -> Any:
    """The parts of a text between its commas; what is no text stays as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def ascending(values: tuple[int, ...]) -> tuple[int, ...]:
    """Each once, smallest first."""
    return tuple(sorted(set(values)))


def _preset(value: str) -> str:
    parsed_preset(value)
    return value


def _spec_name(value: str) -> str:
    if parsed_spec(value) is None:
        raise ValueError("must be like 256x-contain-q80.auto, x512-contain-q80.jpeg or 128x128-cover-center-q80.webp")
    return value


Url = Annotated[str, AfterValidator(_url_without_slash)]
WebAddress = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]  # kept to the letter
Rate = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}/(second|minute|hour|day)$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=1, le=8192)]
Preset = Annotated[str, AfterValidator(_preset)]
SpecName = Annotated[str, AfterValidator(_spec_name)]
SecretAlgorithm = Literal["HS256", "HS384", "HS512"]
PublicKeyAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]  # fmt: skip
