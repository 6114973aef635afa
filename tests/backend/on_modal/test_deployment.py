"""What `modal deploy` declares: resources, images, and code that runs from nothing but what was uploaded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from modal_proto import api_pb2
from packaging.requirements import Requirement

from backend import modal_app
from backend.deployment import Deployment
from backend.services import CAPTIONING, SERVICES, ServiceSpec
from tests.backend.on_modal.conftest import ROOT, modal_deploy
from tests.modal_stub.control_plane import ControlPlane
from tests.modal_stub.objects import Function
from tests.modal_stub.server import RunningStub, running_stub

services = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)

RUN_IN_CONTAINER = """
import base64, importlib, importlib.abc, json, sys
from unittest.mock import Mock
from modal._runtime.user_code_imports import import_class_service, import_single_function_service
from modal_proto import api_pb2

definition, metadata, absent, *more = sys.argv[1:]
absent = set(json.loads(absent))

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)

sys.meta_path.insert(0, Absent())
function = api_pb2.Function.FromString(base64.b64decode(definition))
handle = api_pb2.FunctionHandleMetadata.FromString(base64.b64decode(metadata))
for name in more:
    importlib.import_module(name)
if function.is_class:
    data = api_pb2.Object(object_id="fu-1", function_handle_metadata=handle)
    service = import_class_service(function, data, "cs-1", Mock(), None, (), {})
    print(" ".join(sorted(service._partial_functions)))
else:
    print(import_single_function_service(function, None)._user_defined_callable().title)
print(sys.modules["backend"].__file__)
"""
"""What Modal does in a container to find the code, with the packages that its image lacks hidden."""

WORKER_MODULES = ("backend.engines.vllm", "backend.queues.job_board", "backend.worker")
"""What the GPU class imports when it starts."""


def volumes_of(plane: ControlPlane, function: Function) -> dict[str, tuple[str, bool]]:
    """Returns name and read-only flag of each volume by the path where it is mounted."""
    names = {volume_id: name for name, volume_id in plane.volumes.items()}
    mounts = function.definition.volume_mounts
    return {mount.mount_path: (names[mount.volume_id], mount.read_only) for mount in mounts}


def commands_of(plane: ControlPlane, image_id: str) -> str:
    """Returns the commands that build an image, those of its base images first."""
    image = plane.images[image_id]
    bases = [commands_of(plane, base.image_id) for base in image.base_images]
    return "\n".join([*bases, *image.dockerfile_commands])


def unpack_uploads(plane: ControlPlane, function: Function, root: Path) -> None:
    """Writes what the deployment uploaded for a function, as its containers find it under `/root`."""
    for mount_id in function.definition.mount_ids:
        for file in plane.mounts[mount_id]:
            path = root / Path(file.filename).relative_to("/root")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(plane.uploads[file.sha256_hex])


def run_in_container(
    plane: ControlPlane, function: Function, packages: Iterable[str], root: Path, *modules: str
) -> list[str]:
    """Runs a function's code with the uploaded files and the image's packages, as if no others were installed.

    Returns the title of the gateway or the methods of the GPU class, and the file of the package `backend`.
    """
    unpack_uploads(plane, function, root)
    definition = b64encode(function.definition.SerializeToString())
    handle = b64encode(function.metadata().SerializeToString())
    inherited = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    absent = json.dumps(modules_without([*packages, "modal"]))
    done = subprocess.run(
        [sys.executable, "-c", RUN_IN_CONTAINER, definition, handle, absent, *modules],
        cwd=root,
        env=inherited | plane.environment_of(function) | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def with_dependencies(packages: Iterable[str]) -> set[str]:
    """Returns the packages, as requirements, and all that they need, as far as it is installed here."""
    found: set[str] = set()
    waiting = [Requirement(package) for package in packages]
    while waiting:
        requirement = waiting.pop()
        name = canonical(requirement.name)
        if name in found:
            continue
        found.add(name)
        try:
            needs = [Requirement(need) for need in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:
            continue
        waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def modules_without(packages: Iterable[str]) -> list[str]:
    """Returns the top-level modules that are installed here but belong neither to the packages nor to their needs."""
    present = with_dependencies(packages)
    owners = metadata.packages_distributions()
    return [module for module, names in owners.items() if present.isdisjoint(map(canonical, names))]


def canonical(name: str) -> str:
    """Returns a package's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned_versions(lock: str) -> dict[str, str]:
    """Returns the versions of a requirements file that hold on every Python, by package."""
    lines = (ROOT / lock).read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line and ";" not in line)


@services
def test_the_gpu_class_has_the_services_terms(service: ServiceSpec, plane: ControlPlane) -> None:
    function = plane.published(service.app_name, "VisionModel.*")
    declared = function.definition

    assert declared.resources.gpu_config.gpu_type == "A100-40GB"
    assert declared.resources.gpu_config.count == 1
    assert declared.autoscaler_settings.min_containers == 0
    assert declared.autoscaler_settings.max_containers == 1
    assert declared.autoscaler_settings.scaledown_window == 300
    assert declared.timeout_secs == 600
    assert declared.startup_timeout_secs == 1200
    assert set(declared.method_definitions) == {"answer", "warm"}
    assert volumes_of(plane, function) == {
        "/weights": (service.volume, True),
        "/cache": (modal_app.CACHE_VOLUME, False),
    }
    assert not declared.checkpointing_enabled


@services
def test_the_gpu_takes_as_many_jobs_as_vllm_runs_at_once(service: ServiceSpec, plane: ControlPlane) -> None:
    declared = plane.published(service.app_name, "VisionModel.*").definition

    assert declared.max_concurrent_inputs == Deployment.of(service).max_num_seqs


@services
def test_the_web_function_is_open_and_has_the_documented_address(service: ServiceSpec, plane: ControlPlane) -> None:
    function = plane.published(service.app_name, "serve")

    assert function.web_url == f"https://nadir-tests--{service.app_name}-serve.modal.run"
    assert function.definition.webhook_config.type == api_pb2.WEBHOOK_TYPE_ASGI_APP
    assert not function.definition.webhook_config.requires_proxy_auth
    assert function.definition.resources.gpu_config.count == 0
    assert function.definition.max_concurrent_inputs > 100
    assert volumes_of(plane, function) == {}


@services
@pytest.mark.parametrize("tag", ["serve", "VisionModel.*"])
def test_a_container_knows_its_deployment_and_gets_no_other_secret(
    service: ServiceSpec, tag: str, plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = plane.environment_of(plane.published(service.app_name, tag))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert Deployment().spec == service  # type: ignore[call-arg]
    assert all(name.startswith("DEPLOY_") for name in environment)


def test_the_gateway_image_has_the_apps_own_versions_and_no_vllm(plane: ControlPlane) -> None:
    image_id = plane.published(CAPTIONING.app_name, "serve").definition.image_id
    commands = commands_of(plane, image_id)
    app_versions = pinned_versions("requirements.txt")

    assert "vllm" not in commands
    assert "cuda" not in commands
    for package in modal_app.GATEWAY_PACKAGES:
        assert package in commands
        name, version = package.split("==")
        assert version == app_versions[name]


def test_the_vllm_image_pins_vllm_on_cuda(plane: ControlPlane) -> None:
    commands = commands_of(plane, plane.published(CAPTIONING.app_name, "VisionModel.*").definition.image_id)

    assert "FROM nvidia/cuda:13.0.3-devel" in commands
    assert "ENTRYPOINT []" in commands
    assert "vllm==0.33.0" in commands
    assert f"--exclude-newer {modal_app.RESOLVED_ON}" in commands
    assert "HF_HUB_OFFLINE=1" in commands


@services
def test_the_gateway_runs_from_what_was_uploaded_and_its_image_alone(
    service: ServiceSpec, plane: ControlPlane, tmp_path: Path
) -> None:
    function = plane.published(service.app_name, "serve")
    title, package = run_in_container(plane, function, modal_app.GATEWAY_PACKAGES, tmp_path)

    assert service.title in title
    assert package.startswith(str(tmp_path))


def test_the_gpu_class_runs_from_what_was_uploaded_and_its_image_alone(plane: ControlPlane, tmp_path: Path) -> None:
    function = plane.published(CAPTIONING.app_name, "VisionModel.*")
    methods, package = run_in_container(plane, function, modal_app.VLLM_PACKAGES, tmp_path, *WORKER_MODULES)

    assert methods == "answer start stop warm"
    assert package.startswith(str(tmp_path))


def test_only_the_projects_own_package_is_uploaded(plane: ControlPlane) -> None:
    names = [file.filename for files in plane.mounts.values() for file in files]

    assert names
    assert all(name.startswith("/root/backend/") and name.endswith(".py") for name in names)


def test_an_operator_changes_one_service_by_environment_variables() -> None:
    settings = {
        "VQA_DEPLOY_MODEL": "my-model",
        "VQA_DEPLOY_VOLUME": "my-weights",
        "VQA_DEPLOY_GPU": "H100",
        "VQA_DEPLOY_MAX_NUM_SEQS": "8",
        "DEPLOY_PROXY_AUTH": "1",
        "DEPLOY_SNAPSHOTS": "true",
        "CAPTION_DEPLOY_GPU": "T4",
    }
    with running_stub() as other:
        other.plane.volumes = {"my-weights": "vo-mine"}
        deployed = modal_deploy(other, "vqa", **settings)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        serve = other.plane.published("qwen3-vlm-vqa", "serve").definition
        model = other.plane.published("qwen3-vlm-vqa", "SnapshotVisionModel.*")
        environment = other.plane.environment_of(model)
        assert volumes_of(other.plane, model)["/weights"] == ("my-weights", True)

    assert serve.webhook_config.requires_proxy_auth
    assert model.definition.resources.gpu_config.gpu_type == "H100"
    assert model.definition.max_concurrent_inputs == 8
    assert model.definition.checkpointing_enabled
    assert model.definition.experimental_options["enable_gpu_snapshot"] == "True"
    assert environment["DEPLOY_MODEL"] == "my-model"


def test_a_volume_that_does_not_exist_fails_the_deployment() -> None:
    with running_stub() as other:
        deployed = modal_deploy(other, "captioning")

        assert deployed.returncode != 0
        assert CAPTIONING.volume in deployed.stdout + deployed.stderr
        assert CAPTIONING.volume not in other.plane.volumes


def test_the_deployed_addresses_are_printed_as_lines_for_the_environment(stub: RunningStub) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backend.modal_app"],
        cwd=ROOT,
        env=os.environ | stub.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.splitlines() == [
        "CAPTION_BASE_URL=https://nadir-tests--qwen3-vlm-captioning-serve.modal.run",
        "VQA_BASE_URL=https://nadir-tests--qwen3-vlm-vqa-serve.modal.run",
    ]


def test_the_operators_manual_lists_every_deploy_setting_with_its_default() -> None:
    manual = (ROOT / "backend" / "README.md").read_text()

    for name, field in Deployment.model_fields.items():
        if name != "service":
            assert f"| `DEPLOY_{name.upper()}` |" in manual
            assert str(field.description) in manual
