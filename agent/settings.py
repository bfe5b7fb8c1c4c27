"""Every setting, in one place: environment variables `MINERVA_…`, then one TOML file, then the default.

A secret may be given as `MINERVA_<NAME>_FILE`, the path of a file that holds it.
`docs/settings.md` is generated from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import available_timezones

import holidays
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from agent.errors import SettingsError
from agent.mail.rate_limit import networks
from agent.settings_sources import (
    CONFIG_VARIABLE,
    PREFIX,
    SecretFiles,
    config_file,
    problem_of,
    secret_file_problems,
    unknown_variables,
)
from knowledge_base.encoder import PACKAGED_MODEL

if TYPE_CHECKING:
    from sqlalchemy import URL


class Settings(BaseSettings):
    """Frozen; made once at start and passed on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", validate_default=True)

    data_dir: Path = Field(Path("var"), description="Folder for the database, the index, the outbox and the key file.")
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL (`postgresql://…`, or `_FILE`) for tickets and workflows, for helpdesks on several "
        "hosts (docs/operations.md); without it, SQLite in the data folder.",
    )
    articles_dir: Path = Field(
        Path(__file__).parent.parent / "knowledge_base" / "articles",
        description="Folder of the articles that the knowledge base is built from.",
    )
    sources_file: Path | None = Field(
        None,
        description="TOML or YAML file of the sources that `minerva kb sync` follows; without one, our own articles.",
    )
    vectors_url: SecretStr | None = Field(
        None,
        description="PostgreSQL with pgvector (`postgresql://…`, or `_FILE`) that keeps the vectors of the index, for "
        "helpdesks on several hosts; without it, they lie in a file of the index.",
    )
    embedding_model: str = Field(
        PACKAGED_MODEL,
        description="The packaged embedding model, or the path of a model folder: model.onnx with tokenizer.json "
        "(one vector a text), or a sentence-transformers model (needs the `models` extra).",
    )

    rerank_model: Path | None = Field(
        None,
        description="Folder of a cross-encoder (sentence-transformers, needs the `models` extra) that puts the first "
        "30 passages in order; without one, the search's own order stays.",
    )

    nli_model: Path | None = Field(
        None,
        description="Folder of a cross-encoder for natural language inference (sentence-transformers, needs the "
        "`models` extra) that may doubt claims; without one, the checks in code stand alone.",
    )

    smtp_host: str = Field("127.0.0.1", description="Address that the SMTP listener binds to.")
    smtp_port: int = Field(8025, ge=0, le=65535, description="Port of the SMTP listener; 0 takes a free one.")
    smtp_max_bytes: int = Field(
        30 * 1024 * 1024, ge=1024, description="Largest mail taken, in bytes; larger ones are refused with 552."
    )
    support_address: str = Field(
        "support@minerva4ai.eu",
        description="Our own mail address: sender of answers, and the recipient that the listener accepts.",
    )
    extra_recipients: str = Field(
        "support@localhost",
        description="Further addresses that the listener accepts, separated by commas; `*` accepts every recipient.",
    )

    smtp_tls_cert: Path | None = Field(None, description="Certificate (PEM) for STARTTLS at the SMTP listener.")
    smtp_tls_key: Path | None = Field(None, description="Private key (PEM) of that certificate.")
    smtp_mails_per_minute: int = Field(
        120, ge=1, description="Mails, and connections, a minute from one client address; more are asked to wait (4xx)."
    )
    smtp_unlimited_clients: str = Field(
        "127.0.0.0/8, ::1",
        description="Networks that this limit does not apply to, separated by commas: our own mail servers, whose "
        "`Received` fields are believed.",
    )
    check_senders: bool = Field(
        True,
        description="Check SPF, DKIM, DMARC and ARC of incoming mail by DNS; without a network no mail waits.",
    )
    trusted_authserv_ids: str = Field(
        "",
        description="Names under which mail servers that we trust write `Authentication-Results`, separated by commas; "
        "then mail without such a statement counts as unverified.",
    )
    lmtp_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port for LMTP on the same address, for a mail server of ours; 0 takes a free one.",
    )

    imap_host: str | None = Field(None, description="IMAP server of a mailbox that mails are fetched from.")
    imap_port: int = Field(993, ge=1, le=65535, description="Port of the IMAP server.")
    imap_security: Literal["tls", "starttls", "none"] = Field(
        "tls", description="How the connection is protected; certificates are checked. `none` only on this machine."
    )
    imap_folders: str = Field("INBOX", description="Folders of the mailbox that are read, separated by commas.")
    imap_poll_s: float = Field(
        60, gt=0, le=1740, description="The folder is looked at this often even if the server reports nothing new."
    )
    imap_first_days: int = Field(
        7, ge=0, description="Days back from the first connection: mails that are older than that are left alone."
    )
    imap_auth: Literal["password", "xoauth2", "oauthbearer"] = Field(
        "password", description="How to sign in; Microsoft 365 and Google want `xoauth2`."
    )
    imap_user: str | None = Field(None, description="User name at the IMAP server, often the address.")
    imap_password: SecretStr | None = Field(None, description="Password at the IMAP server (or `_FILE`).")
    oauth_token_url: str | None = Field(None, description="Where access tokens for the mailbox are fetched.")
    oauth_client_id: str | None = Field(None, description="Client id of our registration at the mail provider.")
    oauth_client_secret: SecretStr | None = Field(None, description="Client secret (or `_FILE`).")
    oauth_scope: str | None = Field(None, description="Scope that is asked for, see docs/mail.md.")
    oauth_refresh_token: SecretStr | None = Field(
        None, description="Refresh token (or `_FILE`); without one the client signs in as itself (client credentials)."
    )

    undo_s: float = Field(
        10, ge=0, le=600, description="Seconds that an approved answer waits before it leaves, and can be taken back."
    )
    oidc_issuer: str | None = Field(
        None, description="Issuer of an OpenID Connect provider that engineers may sign in at; see docs/operations.md."
    )
    oidc_client_id: str = Field("", description="Client id of our registration there.")
    oidc_client_secret: SecretStr | None = Field(None, description="Client secret (or `_FILE`).")
    second_approval: str = Field(
        "L5", description="Levels and types whose answers two people approve, separated by commas; empty: none."
    )
    relay_host: str | None = Field(
        None, description="SMTP relay for outgoing mail; without one, mails are written to the outbox folder."
    )
    relay_port: int = Field(25, ge=1, le=65535, description="Port of the relay.")
    relay_starttls: bool = Field(False, description="Use STARTTLS with the relay; its certificate is checked.")
    relay_user: str | None = Field(None, description="User name at the relay.")
    relay_password: SecretStr | None = Field(None, description="Password at the relay (or `_FILE`).")
    dkim_selector: str | None = Field(None, description="Selector of the DKIM key that signs mails to the relay.")
    dkim_key: Path | None = Field(None, description="Private key (RSA, PEM) for DKIM; see docs/mail.md.")

    desk_host: str = Field("127.0.0.1", description="Address that the desk binds to.")
    desk_port: int = Field(8080, ge=0, le=65535, description="Port of the desk; 0 takes a free one.")
    desk_url: str | None = Field(
        None, description="Address of the desk as people reach it, behind a proxy; with https cookies are `Secure`."
    )
    metrics_public: bool = Field(False, description="Serve `/metrics` to other hosts than this one.")

    slack_bot_token: SecretStr | None = Field(
        None, description="Bot token (`xoxb-…`, or `_FILE`): with it the helpdesk works in Slack, see docs/slack.md."
    )
    slack_app_token: SecretStr | None = Field(
        None, description="App-level token (`xapp-…`, or `_FILE`) for Socket Mode, which needs no open port."
    )
    slack_signing_secret: SecretStr | None = Field(
        None,
        description="Signing secret (or `_FILE`), for events over HTTP instead of Socket Mode: to `/slack/events` of "
        "the desk.",
    )
    slack_api_url: str = Field("https://slack.com/api/", description="Where the Web API is; another for GovSlack.")
    slack_engineers_channel: str | None = Field(
        None, description="Id of the private channel where engineers get a card for each draft that waits."
    )
    matrix_url: str | None = Field(
        None, description="Matrix server (homeserver) to work on, such as https://matrix.org."
    )
    matrix_token: SecretStr | None = Field(None, description="Access token of our account there (or `_FILE`).")
    chat_rules_file: Path | None = Field(
        None, description="TOML file of the channel rules; without one we answer where we are mentioned."
    )

    llm_urls: str | None = Field(
        None,
        description="Base addresses of OpenAI-compatible model servers, separated by commas, such as "
        "`http://127.0.0.1:8000/v1`. Servers that `minerva llm` keeps up are found without this.",
    )
    llm_model: str | None = Field(None, description="Name of the model that they serve; needed with the addresses.")
    llm_draft_model: str | None = Field(None, description="Another model for drafts.")
    llm_query_model: str | None = Field(None, description="Another model for rewriting questions into queries.")
    llm_triage_model: str | None = Field(None, description="Another model for settling unsure placements.")
    llm_verification_model: str | None = Field(None, description="Another model for comparing claims with quotes.")
    llm_api_key: SecretStr | None = Field(None, description="API key of these servers (or `_FILE`).")
    llm_concurrency: int = Field(4, ge=1, le=256, description="Questions that are put to models at the same time.")
    llm_timeout_s: float = Field(
        60, gt=0, le=900, description="Seconds for one reply, all tries together; then the draft is made without."
    )
    llm_context_tokens: int = Field(
        8192, ge=1024, description="Tokens of prompt and reply together; less when the server says that it takes less."
    )
    llm_reply_tokens: int = Field(1200, ge=64, le=8192, description="Most tokens of one reply.")
    llm_tokens_per_day: int = Field(
        20_000_000, ge=0, description="Tokens a day for drafts, prompts and replies; after that they are made without."
    )
    llm_small_timeout_s: float = Field(
        15,
        gt=0,
        le=300,
        description="Seconds for a small question: triage, a query, a verification, and all of a draft's.",
    )
    llm_small_tokens_per_day: int = Field(
        5_000_000, ge=0, description="Tokens a day for each kind of small question; after that it is done without."
    )
    llm_settle_placings: bool = Field(
        True, description="Ask the model about placings that the classifier is unsure of."
    )
    llm_rewrite_queries: bool = Field(False, description="Search also with queries that the model makes of a request.")
    llm_verify_claims: bool = Field(
        False, description="Have the model look at each claim beside its quotes; it can only add doubts."
    )
    llm_keep: bool = Field(
        False,
        description="Keep up what `minerva llm up` wants from this service; else run `minerva llm keep` somewhere.",
    )
    time_zone: str = Field("Europe/Brussels", description="Where the centre works; its working hours are of this zone.")
    working_hours: str = Field("09:00-17:00", description="From when to when, Monday to Friday, targets are counted.")
    holiday_country: str = Field(
        "", description="Country (ISO 3166 code) whose public holidays do not count either; empty for none."
    )

    bridge_poll_s: float = Field(
        60, ge=1, le=86_400, description="Seconds between two looks at the desk of a partner (Request Tracker, Zammad)."
    )
    workers: int = Field(2, ge=1, le=64, description="Mails worked on at the same time.")
    log_format: str = Field("text", pattern="^(text|json)$", description="`text` for people, `json` for machines.")

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and _address(value) is None:
            raise ValueError("is no address of PostgreSQL: write it as postgresql://user:password@host/database")
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("is no time zone: write one such as Europe/Brussels")
        return value

    @field_validator("working_hours")
    @classmethod
    def _are_hours(cls, value: str) -> str:
        try:
            opens, closes = (time.fromisoformat(part) for part in value.split("-"))
        except ValueError as error:
            raise ValueError("are no hours: write them as 09:00-17:00") from error
        if opens >= closes:
            raise ValueError("end before they begin")
        return value

    @field_validator("holiday_country")
    @classmethod
    def _is_country(cls, value: str) -> str:
        if value and value not in holidays.list_supported_countries():
            raise ValueError("is no country whose holidays are known: write a code such as FR, or leave it empty")
        return value

    @field_validator("support_address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        local, at, domain = value.partition("@")
        if not (local and at and domain) or any(c.isspace() for c in value):
            raise ValueError("must look like support@example.org")
        return value

    @field_validator("smtp_unlimited_clients")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks(value)
        return value

    @field_validator("llm_model")
    @classmethod
    def _model_is_named(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("llm_urls") and not value:
            raise ValueError("MINERVA_LLM_URLS needs the name of the model that is served there")
        return value

    @field_validator("matrix_token")
    @classmethod
    def _matrix_is_whole(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (info.data.get("matrix_url") is None) != (value is None):
            raise ValueError("MINERVA_MATRIX_URL and MINERVA_MATRIX_TOKEN are set together or not at all")
        return value

    @field_validator("slack_signing_secret")
    @classmethod
    def _slack_is_whole(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        token, app_token = info.data.get("slack_bot_token"), info.data.get("slack_app_token")
        if token is not None and app_token is None and value is None:
            raise ValueError("MINERVA_SLACK_BOT_TOKEN needs MINERVA_SLACK_APP_TOKEN or MINERVA_SLACK_SIGNING_SECRET")
        return value

    @field_validator("smtp_tls_key")
    @classmethod
    def _certificate_is_whole(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "smtp_tls_cert" in info.data and (info.data["smtp_tls_cert"] is None) != (value is None):
            raise ValueError("MINERVA_SMTP_TLS_CERT and MINERVA_SMTP_TLS_KEY are set together or not at all")
        return value

    @field_validator("imap_user", "imap_password", "oauth_token_url", "oauth_client_id", "oauth_refresh_token")
    @classmethod
    def _sign_in_is_whole(cls, value: object, info: ValidationInfo) -> object:
        problem = _sign_in_problem(info.field_name or "", value, info.data)
        if problem:
            raise ValueError(problem)
        return value

    @field_validator("relay_password")
    @classmethod
    def _relay_is_whole(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "relay_user" in info.data and (info.data["relay_user"] is None) != (value is None):
            raise ValueError("MINERVA_RELAY_USER and MINERVA_RELAY_PASSWORD are set together or not at all")
        return value

    @field_validator("dkim_key")
    @classmethod
    def _signing_is_whole(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "dkim_selector" in info.data and (info.data["dkim_selector"] is None) != (value is None):
            raise ValueError("MINERVA_DKIM_SELECTOR and MINERVA_DKIM_KEY are set together or not at all")
        return value

    @property
    def second_approval_for(self) -> frozenset[str]:
        return frozenset(part.strip() for part in self.second_approval.split(",") if part.strip())

    @property
    def vectors_address(self) -> str | None:
        return self.vectors_url.get_secret_value() if self.vectors_url else None

    @property
    def database(self) -> Path | URL:
        """Where the tickets are: a file for SQLite, an address for PostgreSQL."""
        url = _address(self.database_url) if self.database_url else None
        return url or self.data_dir / "minerva.sqlite"

    @property
    def triage_model_dir(self) -> Path:
        """Where `minerva triage train --with-corrections` puts the model; used when there is one."""
        return self.data_dir / "triage-model"

    @property
    def workflow_database(self) -> Path | URL:
        """DBOS's: a file of its own, or the schema `dbos` of the same PostgreSQL."""
        return self.data_dir / "workflows.sqlite" if isinstance(self.database, Path) else self.database

    @property
    def index_dir(self) -> Path:
        return self.data_dir / "index"

    @property
    def endpoints_dir(self) -> Path:
        """Endpoint records, see `agent.llm.records`."""
        return self.data_dir / "llm" / "endpoints"

    @property
    def llm_services_dir(self) -> Path:
        """Model servers that are wanted, see `deploy.llm.service`."""
        return self.data_dir / "llm" / "services"

    @property
    def bench_dir(self) -> Path:
        return self.data_dir / "bench"

    @property
    def source_cache_dir(self) -> Path:
        return self.data_dir / "sources"

    @property
    def reply_key_path(self) -> Path:
        return self.data_dir / "reply.key"

    @property
    def trusted_servers(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.trusted_authserv_ids.split(",") if name.strip())

    @property
    def outbox_dir(self) -> Path:
        return self.data_dir / "outbox"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the base class names it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, toml_file=config_file())
        return init_settings, env_settings, SecretFiles(settings_cls), toml


def _address(secret: SecretStr) -> URL | None:
    """None when it is none of PostgreSQL."""
    from sqlalchemy import make_url  # noqa: PLC0415  # a tenth of a second that most commands can spare
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        url = make_url(secret.get_secret_value())
    except (ArgumentError, ValueError):  # ValueError for a port that is no number
        return None
    return url if url.drivername == "postgresql" and url.database else None


def _sign_in_problem(name: str, value: object, before: Mapping[str, object]) -> str | None:
    """What is missing for signing in to the mailbox. `before` are the settings above this one."""
    if value is not None or before.get("imap_host") is None:
        return None
    if name == "imap_user":
        return "MINERVA_IMAP_HOST needs a user name"
    by_password = before.get("imap_auth") == "password"
    if name == "imap_password":
        return "MINERVA_IMAP_HOST needs a password (or another MINERVA_IMAP_AUTH)" if by_password else None
    if by_password:
        return None
    if name == "oauth_refresh_token":
        return (
            None if before.get("oauth_client_secret") else "needed as long as there is no MINERVA_OAUTH_CLIENT_SECRET"
        )
    return f"MINERVA_IMAP_AUTH={before.get('imap_auth')} needs it"


def load_settings(**overrides: Any) -> Settings:
    """Read and check all settings.

    Raises:
        SettingsError: with every problem, one a line, each naming its setting.
    """
    path = config_file()
    problems = [] if path is None or path.is_file() else [f"{CONFIG_VARIABLE}: no file at {path}"]
    problems += unknown_variables(Settings) + secret_file_problems(Settings)
    settings: Settings | None = None
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        problems += [problem_of(Settings, item) for item in error.errors()]
    except (OSError, ValueError) as error:
        problems.append(f"{path}: cannot be read as TOML: {error}")
    if problems or settings is None:
        raise SettingsError("\n".join(["These settings cannot be used:", *(f"  - {p}" for p in problems)]))
    return settings
