"""Environment variables: read once, typed, validated, documented. The README's table is checked against this module."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from backend.services import CAPTIONING, VQA

MIB = 1024 * 1024


def _default_host() -> str:
    return "0.0.0.0" if os.environ.get("SYSTEM") == "spaces" else "127.0.0.1"


def _default_data_dir() -> Path:
    return Path(__file__).resolve().parent.parent / "data"


class Settings(BaseSettings):
    """What an operator can set. Each field is the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", populate_by_name=True)

    host: str = Field(default_factory=_default_host, description="Address to listen on; 0.0.0.0 on a Space")
    port: int = Field(default=7860, ge=0, le=65535, description="Port to listen on")
    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="Where jobs, uploads and previews are kept; `data/` in the project's root by default",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="Postgres URL for the job queue, shared by several machines; SQLite under `DATA_DIR` by default",
    )

    caption_base_url: str | None = Field(default=None, description="Deployed captioning service to talk to")
    vqa_base_url: str | None = Field(default=None, description="Deployed VQA service to talk to")
    caption_timeout: float = Field(default=600, gt=0, description="Longest wait for a captioning job, seconds")
    vqa_timeout: float = Field(default=600, gt=0, description="Longest wait for a VQA job, seconds")
    modal_key: SecretStr | None = Field(default=None, description="Modal proxy token id, for a protected deployment")
    modal_secret: SecretStr | None = Field(default=None, description="Modal proxy token secret")

    upstream_base_url: str | None = Field(
        default=None,
        description="OpenAI-compatible server that answers embedded jobs, with `/v1`: vLLM, llama.cpp, Ollama",
    )
    upstream_api_key: SecretStr | None = Field(default=None, description="Its API key, if it wants one")
    caption_model: str | None = Field(default=None, description="Model name there for captioning")
    vqa_model: str | None = Field(default=None, description="Model name there for VQA")

    queue_concurrency: int = Field(default=4, ge=1, le=256, description="Embedded jobs of one service run at once")
    queue_limit: int = Field(default=256, ge=1, description="Embedded jobs of one service that may wait")
    max_request_mib: float = Field(default=30, gt=0, description="Largest request body, MiB")
    image_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts, comma-separated, whose `http(s)` image URLs are passed to the engine; none by default",
    )
    show_tracebacks: bool = Field(default=False, description="Fill in `traceback` in error answers; for debugging")

    @field_validator("caption_base_url", "vqa_base_url", "upstream_base_url")
    @classmethod
    def _is_http_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/") if value else None

    @field_validator("image_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(host.strip().lower() for host in value.split(",") if host.strip())
        return value

    @property
    def service_urls(self) -> dict[str, str]:
        """Addresses of the deployed services that are set, by service key."""
        urls = {CAPTIONING.key: self.caption_base_url, VQA.key: self.vqa_base_url}
        return {key: url for key, url in urls.items() if url}

    @property
    def timeouts_s(self) -> dict[str, float]:
        """Longest wait for a job of each service, in seconds, by service key."""
        return {CAPTIONING.key: self.caption_timeout, VQA.key: self.vqa_timeout}

    @property
    def max_request_bytes(self) -> int:
        """Largest request body, in bytes."""
        return int(self.max_request_mib * MIB)


def reveal(secret: SecretStr | None) -> str | None:
    """Returns a secret's text where it is set."""
    return secret.get_secret_value() if secret else None
