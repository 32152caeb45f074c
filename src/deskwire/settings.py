"""Define and load every setting. Only `server`, `cli` and `demo` read them.

The environment overrides `.env.local`, which overrides `.env`, then the demo's own values, then the
defaults here. A test compares `.env.example` and docs/settings.md with this file. All problems are
reported at once, by name and never by value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import list_languages
from deskwire.kit.smtp_url import SmtpServer, parse_from_address, parse_smtp_url
from deskwire.kit.web_origin import parse_origins

ENV_FILES = (".env", ".env.local")  # in the working directory; the later one wins
MIN_SECRET_LENGTH = 32  # characters; `openssl rand -hex 32` prints 64
POSTGRES_URL_PREFIXES = ("postgresql://", "postgres://")
GENERATE_HINT = "generate one with: openssl rand -hex 32"
WEAK_SECRET_PROBLEM = (
    f"shorter than {MIN_SECRET_LENGTH} characters, or the placeholder; {GENERATE_HINT}"
)


class InvalidSettings(Invalid):
    """The settings are invalid; `problems` are sentences that name the setting."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """The settings: one field per environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILES, env_ignore_empty=True, extra="ignore", frozen=True
    )

    environment: Literal["development", "production"] = Field(
        "development",
        description="development or production, which refuses to start with unsafe settings.",
    )
    host: str = Field("127.0.0.1", description="The address the server listens on.")
    port: int = Field(8000, ge=0, le=65535, description="The port the server listens on.")
    database_url: str = Field(
        "sqlite:///data/deskwire.db",
        description="The database: an SQLite file or PostgreSQL.",
        repr=False,  # may contain a password
    )
    files_url: str = Field(
        "data/files",
        description="Where uploaded files are stored: a folder, or s3://BUCKET/PREFIX.",
    )
    max_file_mb: int = Field(
        50, ge=1, le=5000, description="Maximum size of an uploaded file in megabytes."
    )
    public_url: str = Field(
        "",
        description="The address people use, such as https://desk.example.org. Determines links, "
        "Secure cookies and the accepted Origin. Required in production.",
    )
    trusted_proxies: str = Field(
        "", description="Addresses, separated by commas, whose X-Forwarded-* headers are trusted."
    )
    cors_origins: str = Field(
        "",
        description="Origins of other sites, separated by commas, whose pages may use the API with "
        "an API key, such as https://status.example.org.",
    )
    bot_webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="The secret the bot signs with. Several may be separated by commas while one "
        "is replaced; each needs at least 32 characters.",
    )
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="The bearer token for /metrics. Without one, /metrics is open to this machine "
        "in development, and closed in production.",
    )
    sign_up: Literal["open", "invited", "closed"] = Field(
        "invited", description="Who may create an account in the browser."
    )
    desk_language: str = Field(  # not LANGUAGE, which desktops set for their programs
        "en",
        description="The language of all pages, mail and toasts: en, or one with a catalog.",
    )
    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="The mail server: smtp://user:password@host:587, or smtps://… for implicit "
        "TLS. Empty: no mail is sent.",
    )
    smtp_tls: Literal["auto", "required", "offered"] = Field(
        "auto",
        description="Whether mail needs TLS: required, offered (only if the server offers it), or "
        "auto: required in production, except on this machine itself.",
    )
    mail_from: str = Field(
        "",
        description="The sender of mail, such as Our desk <desk@example.org>. Required with "
        "SMTP_URL.",
    )
    reopen_days: int = Field(
        14,
        ge=0,
        le=36_500,
        description="Days during which a client may reopen a completed request; 0 means never.",
    )
    max_behind: int = Field(
        1000,
        ge=1,
        description="Events replayed to a reconnecting stream; if it missed more, it reloads.",
    )
    streams_per_person: int = Field(
        8, ge=1, description="Open streams per person; opening another one closes the oldest."
    )
    log_days: int = Field(
        90,
        ge=0,
        le=36_500,
        description="Days the event log is kept; 0 keeps it forever.",
    )
    delivery_days: int = Field(
        30,
        ge=0,
        le=36_500,
        description="Days a webhook is kept after it was settled; 0 keeps it forever.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much the server writes to its log."
    )
    sse_debug: bool = Field(False, description="Log every received event in the browser console.")

    @field_validator("bot_webhook_secret", "metrics_token")
    @classmethod
    def _validate_secret(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        try:
            value.get_secret_value().encode()
        except UnicodeEncodeError:  # the environment may contain bytes that are not UTF-8
            raise ValueError(f"must be text in UTF-8; {GENERATE_HINT}") from None
        if _is_production(info) and _is_weak_secret(value):
            raise ValueError(WEAK_SECRET_PROBLEM)
        return value

    @field_validator("public_url")
    @classmethod
    def _validate_public_url(cls, value: str, info: ValidationInfo) -> str:
        if not value and _is_production(info):
            raise ValueError("required in production")
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.netloc):
            raise ValueError("must look like https://desk.example.org")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("must be an origin without a path")
        return value.rstrip("/").lower()  # scheme and host are; we compare text

    @field_validator("cors_origins")
    @classmethod
    def _validate_cors_origins(cls, value: str) -> str:
        return ",".join(parse_origins(value))

    @field_validator("desk_language")
    @classmethod
    def _validate_language(cls, value: str) -> str:
        if value not in list_languages():
            raise ValueError(f"has no catalog; choose one of: {', '.join(list_languages())}")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _validate_smtp_url(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if not value.get_secret_value():
            return value
        if info.data.get("public_url") == "":  # or links would follow the Host header of a request
            raise ValueError("needs PUBLIC_URL, for the links in mail")
        try:
            return _check_smtp_url(value)
        except Invalid as refusal:
            raise ValueError(str(refusal)) from None

    @field_validator("mail_from")
    @classmethod
    def _validate_mail_from(cls, value: str, info: ValidationInfo) -> str:
        url = info.data.get("smtp_url")
        if not value and url is not None and url.get_secret_value():
            raise ValueError("required with SMTP_URL")
        try:
            return parse_from_address(value) if value else value
        except Invalid as refusal:
            raise ValueError(str(refusal)) from None

    @field_validator("database_url")
    @classmethod
    def _validate_database_url(cls, value: str) -> str:
        if value.startswith(POSTGRES_URL_PREFIXES):
            return value  # the driver parses it and reports errors
        if not value.startswith("sqlite:///") or len(value) == len("sqlite:///"):
            raise ValueError(
                "must look like sqlite:///path/to/file.db or postgresql://USER:PASSWORD@HOST/NAME"
            )
        if set("?%#") & set(value):
            raise ValueError("must be a plain path, without ?, % or #")
        return value

    @field_validator("files_url")
    @classmethod
    def _validate_files_url(cls, value: str) -> str:
        if "://" in value and not re.fullmatch(r"s3://[a-z0-9.-]{3,63}(/[\w./-]*)?", value):
            raise ValueError("must be a folder, or look like s3://bucket/prefix")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, dotenv_settings, init_settings

    @property
    def bot_secrets(self) -> list[str]:
        """The secrets the bot may sign with; the first one is for signing.

        A comma may be part of one secret or separate two, so both readings are valid. A short part
        is not: otherwise guessing the beginning of a long secret would be enough.
        """
        return _split_secrets(self.bot_webhook_secret)

    @property
    def has_short_secret_part(self) -> bool:
        """Whether the bot's secret has a part between commas too short to be a secret itself."""
        parts = self.bot_webhook_secret.get_secret_value().split(",")
        return len(parts) > 1 and any(len(part.strip()) < MIN_SECRET_LENGTH for part in parts)

    @property
    def smtp_server(self) -> SmtpServer | None:
        """The mail server; None if no mail is sent."""
        if not self.smtp_url.get_secret_value():
            return None
        server = parse_smtp_url(self.smtp_url.get_secret_value(), self.mail_from)
        is_strict = self.environment == "production" and not server.is_local
        requires_tls = self.smtp_tls == "required" or (self.smtp_tls == "auto" and is_strict)
        return replace(server, requires_tls=requires_tls)

    @property
    def proxy_addresses(self) -> list[str]:
        """The addresses of TRUSTED_PROXIES."""
        return [each.strip() for each in self.trusted_proxies.split(",") if each.strip()]

    @property
    def cors_origin_list(self) -> tuple[str, ...]:
        """The origins of CORS_ORIGINS."""
        return parse_origins(self.cors_origins)

    @property
    def local_url(self) -> str:
        """The URL of the server on this machine, from HOST and PORT."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def weak_secret_warnings(self) -> list[str]:
        """Warnings about weak secrets, which production refuses."""
        secrets = {
            "BOT_WEBHOOK_SECRET": self.bot_webhook_secret,
            "METRICS_TOKEN": self.metrics_token,
        }
        return [
            f"{name}: {WEAK_SECRET_PROBLEM}"
            for name, secret in secrets.items()
            if _is_weak_secret(secret)
        ]


def load_settings(demo_values: Mapping[str, Any] | None = None) -> Settings:
    """Load the settings; `demo_values` override only the defaults. Raises InvalidSettings."""
    try:
        return Settings(**(demo_values or {}))
    except ValidationError as error:
        raise InvalidSettings(
            [_format_error(each) for each in error.errors(include_input=False)]
        ) from None


def _is_production(info: ValidationInfo) -> bool:
    """Whether ENVIRONMENT is production. Fields are validated in order, and it is the first."""
    return info.data.get("environment") == "production"


def _check_smtp_url(url: SecretStr) -> SecretStr:
    parse_smtp_url(url.get_secret_value(), "")
    return url


def _is_weak_secret(secret: SecretStr) -> bool:
    # The placeholder of .env.example is short, too.
    return any(len(each) < MIN_SECRET_LENGTH for each in _split_secrets(secret))


def _split_secrets(secret: SecretStr) -> list[str]:
    whole = secret.get_secret_value().strip()
    parts = [part.strip() for part in whole.split(",")]
    long_parts = [part for part in parts if len(part) >= MIN_SECRET_LENGTH]
    return list(dict.fromkeys([*long_parts, whole])) if whole else []


def _format_error(error: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    name = "_".join(str(part) for part in error["loc"]).upper()
    return f"{name}: {message}" if name else message
