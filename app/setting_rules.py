"""What must hold between settings."""

from typing import TYPE_CHECKING, get_args

from app.setting_types import LOCAL_STAGE, SecretAlgorithm

if TYPE_CHECKING:
    from app.settings import Settings


def require_consistent(settings: "Settings") -> None:
    """Raises ValueError where one setting contradicts another, or wants another that is missing."""
    if (settings.aws_access_key_id is None) != (settings.aws_secret_access_key is None):
        raise ValueError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together")
    if settings.default_list_limit > settings.max_list_limit:
        raise ValueError("DEFAULT_LIST_LIMIT is above MAX_LIST_LIMIT")
    if settings.max_image_decode_bytes > settings.decode_memory_bytes:
        raise ValueError("MAX_IMAGE_DECODE_BYTES is above DECODE_MEMORY_BYTES")
    for spec in settings.specs_at_upload:
        if not spec.can_be_asked_for(settings.variant_sizes, settings.presets.values()):
            raise ValueError(f"VARIANTS_AT_UPLOAD: {spec.name} matches neither VARIANT_SIZES nor VARIANT_PRESETS")
    if settings.auth_mode == "jwt":
        _require_jwt(settings)
    elif settings.is_production and not settings.trusted_proxy:
        raise ValueError(
            f"AUTH_MODE=header believes any X-User-ID: with STAGE={settings.stage} set TRUSTED_PROXY=true "
            "if a gateway sets the header, or use AUTH_MODE=jwt"
        )


def _require_jwt(settings: "Settings") -> None:
    """What AUTH_MODE=jwt needs. Secrets and public keys never mix, so that neither passes for the other."""
    if settings.jwt_issuer is None or settings.jwt_audience is None:
        raise ValueError("AUTH_MODE=jwt needs JWT_ISSUER and JWT_AUDIENCE")
    if (settings.jwt_jwks_url is None) == (settings.jwt_key is None):
        raise ValueError("AUTH_MODE=jwt needs either JWT_JWKS_URL or JWT_KEY")
    secrets = [name for name in settings.jwt_algorithms if name in get_args(SecretAlgorithm)]
    if secrets and len(secrets) < len(settings.jwt_algorithms):
        raise ValueError("JWT_ALGORITHMS mixes algorithms for secrets (HS...) and for public keys")
    if settings.jwt_key is None:
        if secrets:
            raise ValueError("JWT_ALGORITHMS for secrets (HS...) need JWT_KEY")
        if settings.stage != LOCAL_STAGE and not str(settings.jwt_jwks_url).startswith("https://"):
            raise ValueError("JWT_JWKS_URL must start with https:// unless STAGE=local")
        return
    key = settings.jwt_key.get_secret_value()
    if bool(secrets) == key.lstrip().startswith("-----BEGIN"):
        raise ValueError("JWT_KEY must be a secret for JWT_ALGORITHMS HS..., and a public key in PEM for all others")
    # RFC 7518 section 3.2: a secret is at least as long as the hash.
    needed = max((int(name[2:]) // 8 for name in secrets), default=0)
    if len(key.encode()) < needed:
        raise ValueError(f"JWT_KEY must have at least {needed} bytes for {', '.join(secrets)}")
