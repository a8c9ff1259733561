"""The service's settings: what the environment says, validated once, and what follows from it."""

import hmac
from typing import Self

from pydantic import model_validator

from app.models import ImageLimits
from app.setting_fields import SettingFields
from app.setting_rules import require_consistent
from app.setting_types import LOCAL_STAGE, PRODUCTION_STAGES
from app.variant_specs import VariantSpec, parsed_preset, parsed_spec


class SettingsError(Exception):
    """The environment does not make valid settings; the text says which and why, a line each."""


class Settings(SettingFields):
    """What a setting that is empty comes to, and what several come to together."""

    @property
    def address(self) -> str:
        """Host and port as one text; an IPv6 host stands in brackets (RFC 3986 section 3.2.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def bucket_origins(self) -> tuple[str, ...]:
        """The web origins that may use presigned URLs."""
        own = (f"http://localhost:{self.port}", f"http://127.0.0.1:{self.port}")
        return own if self.bucket_cors_origins is None else self.bucket_cors_origins

    @property
    def is_production(self) -> bool:
        """Whether real users are served: nothing is created, and who is calling must be certain."""
        return self.stage in PRODUCTION_STAGES

    @property
    def uses_emulator(self) -> bool:
        """Whether the embedded emulator stands in for AWS."""
        return self.stage == LOCAL_STAGE and self.aws_endpoint_url is None

    @property
    def endpoint_url(self) -> str | None:
        """Where AWS calls go; None: AWS itself."""
        return f"http://127.0.0.1:{self.emulator_port}" if self.uses_emulator else self.aws_endpoint_url

    @property
    def credentials(self) -> tuple[str, str, str | None] | None:
        """Access key, secret key and session token, or None for boto3's default chain."""
        if self.aws_access_key_id and self.aws_secret_access_key:
            token = self.aws_session_token
            return (
                self.aws_access_key_id,
                self.aws_secret_access_key.get_secret_value(),
                token.get_secret_value() if token else None,
            )
        return ("test", "test", None) if self.endpoint_url else None

    @property
    def presets(self) -> dict[str, VariantSpec]:
        """The variants that have names."""
        return dict(map(parsed_preset, self.variant_presets))

    @property
    def specs_at_upload(self) -> tuple[VariantSpec, ...]:
        """The variants that are made while an upload is checked."""
        return tuple(filter(None, map(parsed_spec, self.variants_at_upload)))

    @property
    def signing_secrets(self) -> tuple[str, ...]:
        """The secret that signs, and the one before it if that is still good."""
        return tuple(key.get_secret_value() for key in (self.secret_key, self.previous_secret_key) if key)

    @property
    def max_body_bytes(self) -> int:
        """Largest file in a request: what the service takes, or less where something in front takes less."""
        return min(self.max_upload_bytes, self.max_request_bytes or self.max_upload_bytes)

    @property
    def has_quotas(self) -> bool:
        """Whether anything limits what a user may have, so that it must be counted."""
        return self.max_images_per_user is not None or self.max_bytes_per_user is not None

    @property
    def image_limits(self) -> ImageLimits:
        return ImageLimits(
            max_pixels=self.max_image_pixels,
            max_side=self.max_image_side,
            max_frames=self.max_image_frames,
            max_scans=self.max_image_scans,
            max_metadata_bytes=self.max_image_metadata_bytes,
            max_decode_bytes=self.max_image_decode_bytes,
        )

    @property
    def shows_metrics(self) -> bool:
        return self.metrics_token is not None or self.stage == LOCAL_STAGE

    def accepts_metrics_token(self, authorization: str) -> bool:
        """Whether a header, as WSGI hands it over, shows the token for the figures; any does where none is set."""
        if self.metrics_token is None:
            return True
        expected = f"Bearer {self.metrics_token.get_secret_value()}".encode()
        return hmac.compare_digest(authorization.encode("latin-1", "replace"), expected)

    @property
    def keeps_records(self) -> bool:
        return not self.is_production if self.metadata_records is None else self.metadata_records

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        require_consistent(self)
        return self
