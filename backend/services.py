"""The two services as data: what each is called, what it runs, and how it is asked when the caller does not say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceSpec:
    """A service: captioning or visual question answering."""

    key: str
    """Short name, used in paths and in settings: `captioning` or `vqa`."""
    title: str
    """Name that people read."""
    app_name: str
    """Name of the Modal app."""
    model: str
    """Model name on the wire."""
    base_model: str
    """What the model was fine-tuned from."""
    volume: str
    """Modal volume that holds the weights."""
    default_prompt: str
    max_tokens: int
    """Tokens to generate at most, unless the request says otherwise."""
    temperature: float
    """Sampling temperature, unless the request says otherwise."""
    gpu: str = "A100-40GB"
    timeout_s: int = 600
    """Longest that one job may run, queueing excluded, in seconds."""
    scaledown_s: int = 300
    """How long an idle GPU stays warm, in seconds."""
    cold_start_s: tuple[int, int] = (10, 30)
    """What a cold start usually takes by the service's own document, from-to, in seconds."""


CAPTIONING = ServiceSpec(
    key="captioning",
    title="Captioning",
    app_name="qwen3-vlm-captioning",
    model="qwen-caption-special",
    base_model="Qwen3-VL-8B-Instruct",
    volume="vlm-weights-merged-caption-special",
    default_prompt="Describe this satellite image in detail.",
    max_tokens=512,
    temperature=0.7,
)

VQA = ServiceSpec(
    key="vqa",
    title="Visual question answering",
    app_name="qwen3-vlm-vqa",
    model="qwen-vqa-special",
    base_model="Qwen3-VL-8B-Instruct",
    volume="vlm-weights-merged-vqa-special",
    default_prompt="What is the main land cover in this image?",
    max_tokens=128,
    temperature=0.0,
)

SERVICES = {service.key: service for service in (CAPTIONING, VQA)}
"""Both services by key, in the order in which the page shows them."""
