"""What the stand-in keeps: apps, functions, images, mounts, volumes, dicts, calls."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from dataclasses import dataclass, field
from typing import Any

from modal_proto import api_pb2

Result = api_pb2.GenericResult

_numbers = itertools.count(1)


def new_id(prefix: str) -> str:
    """Returns an id as Modal writes them: `fc-000001`."""
    return f"{prefix}-{next(_numbers):06}"


@dataclass
class App:
    """An app, and what its last deployment published."""

    app_id: str
    name: str
    functions: dict[str, str] = field(default_factory=dict)
    """Function ids by tag."""
    classes: dict[str, str] = field(default_factory=dict)
    """Class ids by tag."""


@dataclass
class Function:
    """A function, as the deployment declared it. The function of a class carries the class's methods."""

    function_id: str
    app_id: str
    definition: api_pb2.Function
    web_url: str = ""

    def metadata(self) -> api_pb2.FunctionHandleMetadata:
        """Returns what a client is told of it."""
        declared = self.definition
        return api_pb2.FunctionHandleMetadata(
            app_id=self.app_id,
            function_name=declared.function_name,
            function_type=declared.function_type,
            definition_id=f"de-{self.function_id}",
            web_url=self.web_url,
            class_parameter_info=declared.class_parameter_info,
            method_handle_metadata={
                name: api_pb2.FunctionHandleMetadata(
                    function_name=method.function_name,
                    function_type=method.function_type,
                    is_method=True,
                    use_method_name=name,
                )
                for name, method in declared.method_definitions.items()
            },
        )

    def data(self) -> api_pb2.FunctionData:
        """Returns its definition, as newer answers carry it."""
        return api_pb2.FunctionData(ranked_functions=[api_pb2.FunctionData.RankedFunction(function=self.definition)])


@dataclass
class Call:
    """A spawned call and how it ended."""

    call_id: str
    function_id: str
    method: str
    args: tuple[Any, ...]
    result: Result | None = None
    is_expired: bool = False
    cancelled: bool = False
    terminated_containers: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, result: Result) -> None:
        """Ends the call; a call ends once."""
        if self.result is None:
            self.result = result
            self.ended.set()


def success(value: Any) -> Result:
    """Returns the result of a method that returned."""
    return Result(status=Result.GENERIC_STATUS_SUCCESS, data=pickle.dumps(value))


def raised(error: BaseException) -> Result:
    """Returns the result of a method that raised: the exception travels, and is raised again in who asks."""
    return Result(status=Result.GENERIC_STATUS_FAILURE, exception=repr(error), data=pickle.dumps(error))


def stopped() -> Result:
    """Returns the result of a call whose container was killed, or that was cancelled."""
    return Result(status=Result.GENERIC_STATUS_TERMINATED, exception="Input was cancelled or its container stopped")


def timed_out() -> Result:
    """Returns the result of a call that ran past its timeout."""
    return Result(status=Result.GENERIC_STATUS_TIMEOUT, exception="Task's current input hit its timeout of 600s")


def platform_failure() -> Result:
    """Returns the result of a call that Modal itself failed to run."""
    return Result(status=Result.GENERIC_STATUS_INTERNAL_FAILURE, exception="internal failure")
