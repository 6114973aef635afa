"""What an operator can set about a deployment: environment variables with defaults, read when `modal deploy` runs.

The values travel to the containers as environment variables of the same names, so that gateway and GPU container run
what was deployed. `DEPLOY_GPU` is for both services; `CAPTION_DEPLOY_GPU` or `VQA_DEPLOY_GPU` is for one, and wins.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from backend.services import SERVICES, ServiceSpec

PREFIX = "DEPLOY_"
SERVICE_PREFIXES = {"captioning": "CAPTION_", "vqa": "VQA_"}

PIXELS_PER_TOKEN = 32 * 32
"""Qwen3-VL makes one token of each 32 x 32 pixels: patches of 16 x 16, merged 2 x 2."""

MIN_PIXELS = 64 * PIXELS_PER_TOKEN
"""Qwen3-VL enlarges an image below this area, in pixels."""


class Deployment(BaseSettings):
    """One service's deployment. Each field is the environment variable `DEPLOY_` plus its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, protected_namespaces=()
    )

    service: Literal["captioning", "vqa"] = Field(description="Which service; set by the deploy file, not by hand")
    model: str | None = Field(default=None, description="Model name on the wire; the service's own by default")
    volume: str | None = Field(default=None, description="Modal volume with the weights; the service's own by default")
    weights_path: str = Field(default="", description="Folder of the weights within the volume; its root by default")
    gpu: str | None = Field(default=None, description="GPU as Modal names it; `A100-40GB` by default")
    max_model_len: int = Field(default=8192, ge=1024, description="Context: prompt, image and answer, tokens")
    max_pixels: int = Field(
        default=4096 * PIXELS_PER_TOKEN,
        ge=MIN_PIXELS,
        description="Image budget: area to which a larger image is reduced; 1024 pixels are one token",
    )
    max_num_seqs: int = Field(default=24, ge=1, description="Jobs that the GPU answers at the same time")
    gpu_memory_utilization: float = Field(default=0.88, gt=0, le=0.98, description="Share of GPU memory for vLLM")
    startup_timeout_s: int = Field(default=1200, ge=60, description="Longest that a cold start may take, seconds")
    proxy_auth: bool = Field(default=False, description="Ask callers for a Modal proxy token, on every route")
    snapshots: bool = Field(default=False, description="Start from a memory and GPU snapshot; alpha at Modal")
    show_tracebacks: bool = Field(default=False, description="Fill in `traceback` in error answers; for debugging")
    max_request_mib: float = Field(default=30, gt=0, description="Largest request body, MiB")

    @classmethod
    def of(cls, service: ServiceSpec) -> Deployment:
        """Reads the environment: the variables of both services, then those of this one."""
        shared = EnvSettingsSource(cls)()
        own = EnvSettingsSource(cls, env_prefix=SERVICE_PREFIXES[service.key] + PREFIX)()
        return cls(**{**shared, **own, "service": service.key})

    @property
    def spec(self) -> ServiceSpec:
        """The service as it is deployed, with the operator's changes."""
        service = SERVICES[self.service]
        return replace(
            service,
            model=self.model or service.model,
            volume=self.volume or service.volume,
            gpu=self.gpu or service.gpu,
        )

    def environment(self) -> dict[str, str | None]:
        """Returns the environment variables from which `Deployment()` reads these same values."""
        return {PREFIX + name.upper(): str(value) for name, value in self if value is not None}
