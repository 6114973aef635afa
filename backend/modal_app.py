"""The Modal app of a service: a CPU web function `serve` that is the gateway, and one GPU class that runs vLLM.

`service_app` declares both from the service's data and from what the operator set. The containers import this module
too and find out from their environment which deployment they belong to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import modal
import modal.experimental

from backend.contract import JSONObject, Stage
from backend.deployment import SERVICE_PREFIXES, Deployment
from backend.services import SERVICES, ServiceSpec

if TYPE_CHECKING:
    from fastapi import FastAPI

    from backend.engines.vllm_server import VLLMServer

WEIGHTS_DIR = "/weights"
CACHE_DIR = "/cache"
CACHE_VOLUME = "nadir-vllm-cache"
VLLM_PORT = 8000

PYTHON_VERSION = "3.12"
CUDA_IMAGE = "nvidia/cuda:13.0.3-devel-ubuntu24.04"
VLLM_PACKAGES = (
    "vllm==0.33.0",
    "httpx==0.28.1",
    "httpx2==2.16.2",
    "openai==3.54.0",
    "pydantic-settings==2.16.3",
    "tenacity==9.2.1",
)
GATEWAY_PACKAGES = (
    "fastapi==0.165.0",
    "jinja2==3.1.6",
    "pillow==12.3.0",
    "pydantic==2.14.3",
    "pydantic-settings==2.16.3",
)
VLLM_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CACHE_ROOT": f"{CACHE_DIR}/vllm",
    "VLLM_SERVER_DEV_MODE": "1",  # has the routes that put the model to sleep; the server listens on loopback only
}
RESOLVED_ON = "2026-11-23"
"""What the packages above pull in is taken as the package index had it on this day."""

GATEWAY_INPUTS = 200
"""Requests that one gateway container serves at once; most of them only wait for a job."""

log = logging.getLogger(__name__)


def gateway_image() -> modal.Image:
    """Returns the image of the web function: the gateway and what it imports, no more."""
    return (
        modal.Image.debian_slim(python_version=PYTHON_VERSION)
        .uv_pip_install(*GATEWAY_PACKAGES, extra_options=f"--exclude-newer {RESOLVED_ON}")
        .add_local_python_source("backend")
    )


def vllm_image() -> modal.Image:
    """Returns the image of the GPU class: CUDA with its compiler, which vLLM's kernels need, and vLLM."""
    return (
        modal.Image.from_registry(CUDA_IMAGE, add_python=PYTHON_VERSION)
        .entrypoint([])
        .uv_pip_install(*VLLM_PACKAGES, extra_options=f"--exclude-newer {RESOLVED_ON}")
        .env(VLLM_ENVIRONMENT)
        .add_local_python_source("backend")
    )


def service_app(service: ServiceSpec) -> modal.App:
    """Declares the app of a service, with what the operator set in the environment."""
    deployment = Deployment.of(service)
    app = modal.App(service.app_name, include_source=False)
    _add_gateway(app, deployment)
    _add_gpu_class(app, deployment)
    return app


def _add_gateway(app: modal.App, deployment: Deployment) -> None:
    web = modal.asgi_app(requires_proxy_auth=deployment.proxy_auth)(serve)
    app.function(
        image=gateway_image(),
        env=deployment.environment(),
        cpu=1.0,
        memory=1024,
        scaledown_window=deployment.spec.scaledown_s,
        # The synchronous route may have to sit out a cold start and then the job.
        timeout=deployment.startup_timeout_s + deployment.spec.timeout_s,
    )(modal.concurrent(max_inputs=GATEWAY_INPUTS)(web))


def _add_gpu_class(app: modal.App, deployment: Deployment) -> None:
    service = deployment.spec
    snapshots: dict[str, Any] = {}
    if deployment.snapshots:
        snapshots = {"enable_memory_snapshot": True, "experimental_options": {"enable_gpu_snapshot": True}}
    app.cls(
        image=vllm_image(),
        env=deployment.environment(),
        gpu=service.gpu,
        cpu=4.0,
        memory=32 * 1024,
        volumes={
            # Never created here: a misspelt name must fail the deployment, not mount an empty volume.
            WEIGHTS_DIR: modal.Volume.from_name(service.volume).with_mount_options(read_only=True),
            CACHE_DIR: modal.Volume.from_name(CACHE_VOLUME, create_if_missing=True),
        },
        min_containers=0,
        max_containers=1,
        scaledown_window=service.scaledown_s,
        timeout=service.timeout_s,
        startup_timeout=deployment.startup_timeout_s,
        **snapshots,
    )(modal.concurrent(max_inputs=deployment.max_num_seqs)(gpu_class(deployment)))


def gpu_class(deployment: Deployment) -> type:
    """Returns the class that answers a deployment's jobs."""
    return SnapshotVisionModel if deployment.snapshots else VisionModel


def serve() -> FastAPI:
    """Returns the gateway. Runs in a container without a GPU."""
    from backend.gateway import GatewayOptions, create_gateway
    from backend.queues.modal import ModalQueue
    from backend.settings import MIB

    deployment = Deployment()
    queue = ModalQueue(deployment.spec, gpu_class(deployment).__name__, max_pixels=deployment.max_pixels)
    options = GatewayOptions(
        max_request_bytes=int(deployment.max_request_mib * MIB), show_tracebacks=deployment.show_tracebacks
    )
    return create_gateway(deployment.spec, queue, options)


class _GPUContainer:
    """A vLLM server and the methods that jobs are calls of."""

    async def load(self) -> None:
        """Starts vLLM. Returns once it has produced a token."""
        from backend.engines.vllm import VLLMEngine
        from backend.engines.vllm_server import VLLMServer, serve_command
        from backend.queues.job_board import JobBoard
        from backend.worker import Worker

        deployment = Deployment()
        weights = f"{WEIGHTS_DIR}/{deployment.weights_path}".rstrip("/")
        self.deployment = deployment
        self.board = JobBoard.of(deployment.spec.app_name)
        await self.tell(Stage.STARTING)
        command = serve_command(deployment, weights=weights, port=VLLM_PORT)
        self.server: VLLMServer = VLLMServer(command, port=VLLM_PORT, model=deployment.spec.model)
        engine = VLLMEngine(self.server, deployment.spec, deployment.max_pixels)
        self.worker = Worker(deployment.spec, engine, self.board)
        await self.server.start()
        await self.server.until_ready(deployment.startup_timeout_s)

    async def open(self) -> None:
        """Lets jobs in."""
        await self.tell(Stage.RUNNING)
        self.watch = asyncio.ensure_future(self.retire_with_server())

    async def tell(self, stage: Stage) -> None:
        """Tells the gateways whether the model is loaded. Only a hint: its failure holds nothing up."""
        try:
            await self.board.report_engine(stage)
        except Exception as error:
            log.warning("The board could not be told that the engine is %s: %s", stage, error)

    async def retire_with_server(self) -> None:
        """Has Modal replace this container once vLLM has ended, instead of giving it jobs that must fail."""
        code = await self.server.ended()
        log.error("vLLM ended with code %s; this container takes no more jobs", code)
        await self.tell(Stage.STARTING)
        await modal.experimental.stop_fetching_inputs.aio()

    @modal.method()
    async def answer(self, body: JSONObject) -> JSONObject:
        """Answers one job. Returns an `Envelope` as plain JSON, and never raises."""
        return await self.worker.answer(modal.current_function_call_id() or "", body)

    @modal.method()
    async def warm(self) -> None:
        """Does nothing, once the model is loaded."""

    @modal.exit()
    async def stop(self) -> None:
        """Ends vLLM. Runs when the container is no longer needed."""
        self.watch.cancel()
        await self.tell(Stage.STARTING)
        await self.server.stop()


class VisionModel(_GPUContainer):
    """The GPU class: every cold start loads the weights."""

    @modal.enter()
    async def start(self) -> None:
        """Loads the model."""
        await self.load()
        await self.open()


class SnapshotVisionModel(_GPUContainer):
    """The GPU class with snapshots: the first cold start loads the weights, later ones restore the memory of both."""

    @modal.enter(snap=True)
    async def start(self) -> None:
        """Loads the model and puts it to sleep, to be snapshotted."""
        await self.load()
        await self.server.sleep()

    @modal.enter(snap=False)
    async def wake(self) -> None:
        """Wakes the model, after a restore and before the first job."""
        await self.server.wake()
        await self.server.until_ready(self.deployment.startup_timeout_s)
        await self.open()


def print_urls() -> None:
    """Prints the deployed services' addresses as lines for the environment of the app."""
    for service in SERVICES.values():
        url = modal.Function.from_name(service.app_name, serve.__name__).get_web_url()
        print(f"{SERVICE_PREFIXES[service.key]}BASE_URL={url}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        print_urls()
