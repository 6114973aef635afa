"""A workspace on the stand-in control plane, with both services deployed to it by the real `modal deploy`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import modal
import pytest

from backend.modal_app import serve
from backend.services import CAPTIONING, SERVICES, VQA, ServiceSpec
from tests.modal_stub.control_plane import ControlPlane
from tests.modal_stub.server import RunningStub, running_stub
from tests.serving import serving

ROOT = Path(__file__).parents[3]


def modal_deploy(stub: RunningStub, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `modal deploy backend/NAME.py` against the stand-in, as an operator would."""
    command = [sys.executable, "-m", "modal", "deploy", f"backend/{name}.py"]
    inherited = {key: value for key, value in os.environ.items() if "DEPLOY_" not in key}
    return subprocess.run(
        command, cwd=ROOT, env=inherited | stub.environment | environment, capture_output=True, text=True, timeout=60
    )


@pytest.fixture(scope="session")
def stub() -> Iterator[RunningStub]:
    with running_stub() as stub, pytest.MonkeyPatch.context() as patch:
        for name, value in stub.environment.items():
            patch.setenv(name, value)
        stub.plane.volumes = {service.volume: f"vo-{key}" for key, service in SERVICES.items()}
        with ThreadPoolExecutor() as both:
            for deployed in both.map(partial(modal_deploy, stub), ("captioning", "vqa")):
                assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        yield stub
        modal.Client.from_env().close()


@pytest.fixture
def plane(stub: RunningStub) -> Iterator[ControlPlane]:
    """The stand-in without jobs, and with one GPU container up."""
    plane = stub.plane
    plane.calls, plane.dicts, plane.containers = {}, {}, 1
    plane.log.clear()
    yield plane
    plane.refusal = plane.on_call = plane.on_cancel = None


async def gateway_of(service: ServiceSpec, plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """Serves what the service's web container serves, with the environment variables that it was deployed with."""
    function = plane.published(service.app_name, "serve")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in plane.environment_of(function).items():
            patch.setenv(name, value)
        app = serve()
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
async def gateway(plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    async for client in gateway_of(CAPTIONING, plane):
        yield client


@pytest.fixture
async def vqa_gateway(plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    async for client in gateway_of(VQA, plane):
        yield client
