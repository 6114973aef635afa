"""The stand-in's answers to Modal's remote procedures, on the protocol classes of the `modal` package.

Each procedure has a method of its name, in lower case, that turns its request into its response. One without answers
UNIMPLEMENTED, as an unknown one does at Modal.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import pickle
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_pb2

from tests.modal_stub.objects import App, Call, Function, Result, new_id, stopped

WORKSPACE = "nadir-tests"


class ControlPlane:
    """One workspace. What it was told is there to be looked at."""

    def __init__(self, blob_url: str) -> None:
        self.apps: dict[str, App] = {}
        """By name."""
        self.functions: dict[str, Function] = {}
        """By id."""
        self.images: dict[str, api_pb2.Image] = {}
        """By id."""
        self.mounts: dict[str, list[api_pb2.MountFile]] = {}
        """Files by mount id."""
        self.uploads: dict[str, bytes] = {}
        """Contents of the mounts' files, by SHA-256."""
        self.volumes: dict[str, str] = {}
        """Volume ids by name. What is not here does not exist, until a client creates it."""
        self.secrets: dict[str, dict[str, str]] = {}
        """Environment variables by secret id."""
        self.dicts: dict[str, dict[bytes, bytes]] = {}
        """Contents by dict name; the name is the id as well."""
        self.calls: dict[str, Call] = {}
        self.blobs: dict[str, bytes] = {}
        self.containers = 0
        """GPU containers that run, as the statistics tell."""
        self.refusal: GRPCError | None = None
        """What every procedure answers instead, while it is set."""
        self.on_call: Callable[[Call], None] | None = None
        """Told of every new call."""
        self.on_cancel: Callable[[Call], None] | None = None
        """Told of every cancelled call."""
        self.log: list[str] = []
        """Names of the procedures that were called."""
        self._blob_url = blob_url
        self._classes: dict[str, str] = {}

    # Clients and apps

    def client_hello(self, request: Empty) -> api_pb2.ClientHelloResponse:
        return api_pb2.ClientHelloResponse(image_builder_version="2025.06")

    def auth_token_get(self, request: api_pb2.AuthTokenGetRequest) -> api_pb2.AuthTokenGetResponse:
        claims = base64.urlsafe_b64encode(b'{"exp": 9999999999}').decode().rstrip("=")
        return api_pb2.AuthTokenGetResponse(token=f"e30.{claims}.e30")

    def environment_get_or_create(
        self, request: api_pb2.EnvironmentGetOrCreateRequest
    ) -> api_pb2.EnvironmentGetOrCreateResponse:
        settings = api_pb2.EnvironmentSettings(image_builder_version="2025.06")
        metadata = api_pb2.EnvironmentMetadata(name="main", settings=settings)
        return api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-main", metadata=metadata)

    def app_get_by_deployment_name(
        self, request: api_pb2.AppGetByDeploymentNameRequest
    ) -> api_pb2.AppGetByDeploymentNameResponse:
        app = self.apps.get(request.name)
        return api_pb2.AppGetByDeploymentNameResponse(app_id=app.app_id if app else "")

    def app_create(self, request: api_pb2.AppCreateRequest) -> api_pb2.AppCreateResponse:
        app = App(new_id("ap"), request.description)
        self.apps[app.name] = app
        return api_pb2.AppCreateResponse(app_id=app.app_id)

    def app_get_layout(self, request: api_pb2.AppGetLayoutRequest) -> api_pb2.AppGetLayoutResponse:
        app = self._app(request.app_id)
        layout = api_pb2.AppLayout(function_ids=app.functions, class_ids=app.classes)
        return api_pb2.AppGetLayoutResponse(app_layout=layout)

    def app_publish(self, request: api_pb2.AppPublishRequest) -> api_pb2.AppPublishResponse:
        app = self._app(request.app_id)
        app.functions, app.classes = dict(request.function_ids), dict(request.class_ids)
        return api_pb2.AppPublishResponse(url=f"https://modal.com/apps/{WORKSPACE}/{app.name}", deployed_at=1.0)

    def app_heartbeat(self, request: api_pb2.AppHeartbeatRequest) -> Empty:
        return Empty()

    def app_client_disconnect(self, request: api_pb2.AppClientDisconnectRequest) -> Empty:
        return Empty()

    # What functions are made of

    def image_get_or_create(self, request: api_pb2.ImageGetOrCreateRequest) -> api_pb2.ImageGetOrCreateResponse:
        image_id = new_id("im")
        self.images[image_id] = request.image
        built = Result(status=Result.GENERIC_STATUS_SUCCESS)
        return api_pb2.ImageGetOrCreateResponse(image_id=image_id, result=built)

    def mount_put_file(self, request: api_pb2.MountPutFileRequest) -> api_pb2.MountPutFileResponse:
        if request.WhichOneof("data_oneof"):
            self.uploads[request.sha256_hex] = self._blob(request.data_blob_id) or request.data
        return api_pb2.MountPutFileResponse(exists=request.sha256_hex in self.uploads)

    def mount_batched_check_existence(
        self, request: api_pb2.MountBatchedCheckExistenceRequest
    ) -> api_pb2.MountBatchedCheckExistenceResponse:
        missing = [digest for digest in request.sha256_hex_hashes if digest not in self.uploads]
        return api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)

    def mount_get_or_create(self, request: api_pb2.MountGetOrCreateRequest) -> api_pb2.MountGetOrCreateResponse:
        mount_id = new_id("mo")
        self.mounts[mount_id] = list(request.files)
        return api_pb2.MountGetOrCreateResponse(mount_id=mount_id)

    def volume_get_or_create(self, request: api_pb2.VolumeGetOrCreateRequest) -> api_pb2.VolumeGetOrCreateResponse:
        name = request.deployment_name
        if name not in self.volumes:
            if request.object_creation_type != api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
                raise GRPCError(Status.NOT_FOUND, f"Volume '{name}' not found in environment 'main'")
            self.volumes[name] = new_id("vo")
        metadata = api_pb2.VolumeMetadata(name=name)
        return api_pb2.VolumeGetOrCreateResponse(volume_id=self.volumes[name], metadata=metadata)

    def secret_get_or_create(self, request: api_pb2.SecretGetOrCreateRequest) -> api_pb2.SecretGetOrCreateResponse:
        secret_id = new_id("st")
        self.secrets[secret_id] = dict(request.env_dict)
        return api_pb2.SecretGetOrCreateResponse(secret_id=secret_id)

    # Functions and classes

    def function_precreate(self, request: api_pb2.FunctionPrecreateRequest) -> api_pb2.FunctionPrecreateResponse:
        function_id = request.existing_function_id or new_id("fu")
        metadata = api_pb2.FunctionHandleMetadata(
            function_name=request.function_name, function_type=request.function_type
        )
        return api_pb2.FunctionPrecreateResponse(function_id=function_id, handle_metadata=metadata)

    def function_create(self, request: api_pb2.FunctionCreateRequest) -> api_pb2.FunctionCreateResponse:
        function = Function(request.existing_function_id or new_id("fu"), request.app_id, request.function)
        if request.function.webhook_config.type:
            app_name = self._app(request.app_id).name
            function.web_url = f"https://{WORKSPACE}--{app_name}-{request.function.function_name}.modal.run"
        self.functions[function.function_id] = function
        return api_pb2.FunctionCreateResponse(
            function_id=function.function_id,
            function=request.function,
            handle_metadata=function.metadata(),
            function_data=function.data(),
        )

    def function_get(self, request: api_pb2.FunctionGetRequest) -> api_pb2.FunctionGetResponse:
        function = self.published(request.app_name, request.object_tag)
        return api_pb2.FunctionGetResponse(
            function_id=function.function_id, handle_metadata=function.metadata(), function=function.data()
        )

    def class_create(self, request: api_pb2.ClassCreateRequest) -> api_pb2.ClassCreateResponse:
        return api_pb2.ClassCreateResponse(class_id=request.existing_class_id or new_id("cs"))

    def class_get(self, request: api_pb2.ClassGetRequest) -> api_pb2.ClassGetResponse:
        app = self.apps.get(request.app_name)
        if app is None or request.object_tag not in app.classes:
            raise GRPCError(Status.NOT_FOUND, f"Class {request.app_name}/{request.object_tag} not found")
        return api_pb2.ClassGetResponse(class_id=app.classes[request.object_tag])

    def function_get_current_stats(self, request: api_pb2.FunctionGetCurrentStatsRequest) -> api_pb2.FunctionStats:
        waiting = sum(not call.ended.is_set() for call in self.calls.values())
        return api_pb2.FunctionStats(backlog=waiting, num_total_tasks=self.containers)

    # Calls

    def function_map(self, request: api_pb2.FunctionMapRequest) -> api_pb2.FunctionMapResponse:
        (item,) = request.pipelined_inputs
        args, _ = pickle.loads(self._blob(item.input.args_blob_id) or item.input.args)
        call = Call(new_id("fc"), request.function_id, item.input.method_name, args)
        self.calls[call.call_id] = call
        if self.on_call:
            self.on_call(call)
        taken = api_pb2.FunctionPutInputsResponseItem(idx=item.idx, input_id=new_id("in"))
        return api_pb2.FunctionMapResponse(function_call_id=call.call_id, pipelined_inputs=[taken])

    async def function_get_outputs(
        self, request: api_pb2.FunctionGetOutputsRequest
    ) -> api_pb2.FunctionGetOutputsResponse:
        call = self._call(request.function_call_id)
        try:
            async with asyncio.timeout(request.timeout):
                await call.ended.wait()
        except TimeoutError:
            return api_pb2.FunctionGetOutputsResponse(num_unfinished_inputs=1)
        if call.is_expired:
            return api_pb2.FunctionGetOutputsResponse(num_unfinished_inputs=0)
        output = api_pb2.FunctionGetOutputsItem(result=call.result, data_format=api_pb2.DATA_FORMAT_PICKLE)
        return api_pb2.FunctionGetOutputsResponse(outputs=[output])

    def function_call_cancel(self, request: api_pb2.FunctionCallCancelRequest) -> Empty:
        call = self._call(request.function_call_id)
        call.cancelled = True
        call.terminated_containers = request.terminate_containers
        call.end(stopped())
        if self.on_cancel:
            self.on_cancel(call)
        return Empty()

    # Blobs and dicts

    def blob_create(self, request: api_pb2.BlobCreateRequest) -> api_pb2.BlobCreateResponse:
        blob_id = new_id("bl")
        urls = api_pb2.UploadUrlList(items=[f"{self._blob_url}/{blob_id}"])
        return api_pb2.BlobCreateResponse(blob_ids=[blob_id], upload_urls=urls)

    def dict_get_or_create(self, request: api_pb2.DictGetOrCreateRequest) -> api_pb2.DictGetOrCreateResponse:
        name = request.deployment_name
        self.dicts.setdefault(name, {})
        return api_pb2.DictGetOrCreateResponse(dict_id=f"di-{name}", metadata=api_pb2.DictMetadata(name=name))

    def dict_update(self, request: api_pb2.DictUpdateRequest) -> api_pb2.DictUpdateResponse:
        entries = self._entries(request.dict_id)
        if request.if_not_exists and any(update.key in entries for update in request.updates):
            return api_pb2.DictUpdateResponse(created=False)
        entries.update({update.key: update.value for update in request.updates})
        return api_pb2.DictUpdateResponse(created=True)

    def dict_get(self, request: api_pb2.DictGetRequest) -> api_pb2.DictGetResponse:
        value = self._entries(request.dict_id).get(request.key)
        return api_pb2.DictGetResponse(found=value is not None, value=value)

    # For tests

    def environment_of(self, function: Function) -> dict[str, str]:
        """Returns the environment variables that a function's containers get."""
        environments = [self.secrets[secret_id] for secret_id in function.definition.secret_ids]
        return dict(itertools.chain.from_iterable(environment.items() for environment in environments))

    def _app(self, app_id: str) -> App:
        return next(app for app in self.apps.values() if app.app_id == app_id)

    def published(self, app_name: str, tag: str) -> Function:
        app = self.apps.get(app_name)
        if app is None or tag not in app.functions:
            raise GRPCError(Status.NOT_FOUND, f"Function {app_name}/{tag} not found")
        return self.functions[app.functions[tag]]

    def _call(self, call_id: str) -> Call:
        if call_id not in self.calls:
            raise GRPCError(Status.NOT_FOUND, f"Function call {call_id} not found")
        return self.calls[call_id]

    def _blob(self, blob_id: str) -> bytes:
        return self.blobs.get(blob_id, b"")

    def _entries(self, dict_id: str) -> dict[bytes, bytes]:
        return self.dicts[dict_id.removeprefix("di-")]

    def answer(self, procedure: str, request: Any) -> Any:
        """Returns the response to a request, or a coroutine of it."""
        self.log.append(procedure)
        if self.refusal is not None:
            raise self.refusal
        method = getattr(self, re.sub(r"(?<!^)(?=[A-Z])", "_", procedure).lower(), None)
        if method is None:
            raise GRPCError(Status.UNIMPLEMENTED, f"The stand-in has no {procedure}")
        return method(request)
