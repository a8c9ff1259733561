from pathlib import Path

import pytest

from app.entrypoints.environment import env_example, load_settings
from app.settings import Settings, SettingsError
from app.variant_specs import VariantSpec

JWT = {
    "AUTH_MODE": "jwt",
    "JWT_ISSUER": "https://issuer.example",
    "JWT_AUDIENCE": "images",
    "JWT_JWKS_URL": "https://issuer.example/jwks",
}
ROOT = Path(__file__).parents[2]


def test_the_example_file_names_every_setting_with_its_default() -> None:
    assert (ROOT / ".env.example").read_text() == env_example()


def test_the_example_file_makes_the_default_settings() -> None:
    assert load_settings({}, env_file=ROOT / ".env.example") == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=5001\nLOG_LEVEL=DEBUG\n")
    loaded = load_settings({"PORT": "5002", "UNRELATED": "1"}, env_file=file)
    assert (loaded.port, loaded.log_level) == (5002, "DEBUG")


def test_an_empty_value_is_the_default() -> None:
    assert load_settings({"PORT": "", "AWS_ENDPOINT_URL": ""}) == Settings()


def test_an_unknown_name_in_the_file_is_an_error_that_suggests_the_right_one(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("MAX_UPLOAD_BYTE=5\nNONSENSE=1\n")
    with pytest.raises(SettingsError) as caught:
        load_settings({}, env_file=file)
    assert str(caught.value).splitlines() == [
        "MAX_UPLOAD_BYTE in .env is not a setting; did you mean MAX_UPLOAD_BYTES?",
        "NONSENSE in .env is not a setting",
    ]


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"PORT": "70000"}, "PORT: "),
        ({"PORT": "web"}, "PORT: "),
        ({"AWS_ENDPOINT_URL": "localhost:4566"}, "AWS_ENDPOINT_URL: must start with http"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY: "),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL: "),
        ({"DEFAULT_LIST_LIMIT": "50", "MAX_LIST_LIMIT": "20"}, "DEFAULT_LIST_LIMIT is above"),
        ({"AWS_ACCESS_KEY_ID": "key"}, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together"),
        ({"STAGE": "production", "SECRET_KEY": "k" * 32}, "AUTH_MODE=header believes any X-User-ID"),
        ({"API_CORS_ORIGINS": "*"}, "API_CORS_ORIGINS.0"),
        ({"API_CORS_ORIGINS": "https://*.example"}, "API_CORS_ORIGINS.0"),
        ({"API_CORS_ORIGINS": "https://a.example/path"}, "API_CORS_ORIGINS.0"),
        ({"API_CORS_ORIGINS": "null"}, "API_CORS_ORIGINS.0"),
        ({"RATE_LIMIT_PER_USER": "many"}, "RATE_LIMIT_PER_USER: "),
        ({"RATE_LIMIT_PER_ADDRESS": "0/minute"}, "RATE_LIMIT_PER_ADDRESS: "),
        ({"RATE_LIMIT_STORAGE": "memcached://x"}, "RATE_LIMIT_STORAGE: must start with redis://"),
        (JWT | {"JWT_ISSUER": ""}, "AUTH_MODE=jwt needs JWT_ISSUER and JWT_AUDIENCE"),
        (JWT | {"JWT_AUDIENCE": ""}, "AUTH_MODE=jwt needs JWT_ISSUER and JWT_AUDIENCE"),
        (JWT | {"JWT_JWKS_URL": ""}, "AUTH_MODE=jwt needs either JWT_JWKS_URL or JWT_KEY"),
        (JWT | {"JWT_KEY": "k" * 32}, "AUTH_MODE=jwt needs either JWT_JWKS_URL or JWT_KEY"),
        (JWT | {"JWT_ALGORITHMS": "HS256"}, "JWT_ALGORITHMS for secrets"),
        (JWT | {"JWT_ALGORITHMS": "HS256,RS256"}, "JWT_ALGORITHMS mixes"),
        (JWT | {"JWT_ALGORITHMS": "none"}, "JWT_ALGORITHMS.0"),
        (JWT | {"JWT_ALGORITHMS": ","}, "JWT_ALGORITHMS: "),
        (
            JWT | {"STAGE": "test", "SECRET_KEY": "k" * 32, "JWT_JWKS_URL": "http://a.example"},
            "JWT_JWKS_URL must start",
        ),
        (JWT | {"JWT_JWKS_URL": "file:///etc/passwd"}, "JWT_JWKS_URL: "),
        (JWT | {"JWT_JWKS_URL": "", "JWT_KEY": "k" * 32}, "JWT_KEY must be a secret for"),
        (
            JWT | {"JWT_JWKS_URL": "", "JWT_KEY": "-----BEGIN", "JWT_ALGORITHMS": "HS256"},
            "JWT_KEY must be a secret for",
        ),
        (JWT | {"JWT_JWKS_URL": "", "JWT_KEY": "k" * 31, "JWT_ALGORITHMS": "HS256"}, "JWT_KEY must have at least 32"),
        (JWT | {"JWT_JWKS_URL": "", "JWT_KEY": "k" * 63, "JWT_ALGORITHMS": "HS512"}, "JWT_KEY must have at least 64"),
    ],
)
def test_an_invalid_setting_is_named(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=f"^{problem}"):
        load_settings(environ)


def test_secrets_do_not_show() -> None:
    secret = "correct-horse-battery-staple-0123456789"
    loaded = load_settings({"SECRET_KEY": secret, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": secret})
    assert secret not in repr(loaded)
    with pytest.raises(SettingsError) as caught:
        load_settings({"SECRET_KEY": secret, "PORT": "none"})
    assert secret not in str(caught.value)


def test_local_use_goes_to_the_emulator_with_its_credentials() -> None:
    local = load_settings({"EMULATOR_PORT": "4599"})
    assert local.uses_emulator
    assert local.endpoint_url == "http://127.0.0.1:4599"
    assert local.credentials == ("test", "test", None)
    assert local.keeps_records


def test_an_endpoint_replaces_the_emulator() -> None:
    localstack = load_settings({"AWS_ENDPOINT_URL": "http://localhost:4566/"})
    assert not localstack.uses_emulator
    assert localstack.endpoint_url == "http://localhost:4566"


def test_production_goes_to_aws_with_the_chain_of_credentials() -> None:
    production = load_settings({"STAGE": "production", "SECRET_KEY": "k" * 32, "TRUSTED_PROXY": "true"})
    assert production.endpoint_url is None
    assert production.credentials is None
    assert not production.keeps_records
    assert load_settings({"METADATA_RECORDS": "false"}).keeps_records is False


def test_given_credentials_are_used() -> None:
    given = load_settings({"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token"})
    assert given.credentials == ("id", "key", "token")


def test_origins_are_separated_by_commas() -> None:
    loaded = load_settings({"BUCKET_CORS_ORIGINS": "https://a.example, https://b.example/"})
    assert loaded.bucket_origins == ("https://a.example", "https://b.example")


def test_without_any_named_the_bucket_takes_uploads_from_this_service_on_this_machine() -> None:
    assert load_settings({"PORT": "5001"}).bucket_origins == ("http://localhost:5001", "http://127.0.0.1:5001")


def test_sizes_and_presets_of_variants() -> None:
    settings = load_settings({"VARIANT_SIZES": "512, 64,64", "VARIANT_PRESETS": "wide=1200x-contain"})
    assert settings.variant_sizes == (64, 512)
    assert settings.presets == {"wide": VariantSpec(width=1200)}
    for name, value in {"VARIANT_SIZES": "0", "VARIANT_PRESETS": "wide=1200"}.items():
        with pytest.raises(SettingsError, match=name):
            load_settings({name: value})
