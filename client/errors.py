"""The error tree of the client, split by what the caller should do next.

NadirError
├── InputError             fix the input: the file, the prompt or a setting is not acceptable
│   └── SceneError         fix the file: it is no scene that can be read
├── AccessError            fix the credentials
├── TryAgainError          try again later: the same call may succeed
│   ├── ServiceUnreachable   nothing answers at the address, or not in time
│   └── ServiceBusy          the service's queue is full
├── ProtocolError          fix the address: what answers is not a Nadir service
│   └── GarbledAnswer      the same, after several tries: answers are no JSON, or are cut in half
├── JobFailed              the job ended without an answer; submit a new one
├── JobGone                the job is unknown, expired or cancelled; submit a new one
│   ├── JobCancelled
│   └── JobExpired
└── WaitTimeout            the time ran out; the job is still there and can be picked up by its call id

InputError and JobGone are ValueErrors and WaitTimeout is a TimeoutError too, so that code which catches those, as the
service's first clients did, catches these.
"""

from __future__ import annotations


class NadirError(Exception):
    """Something went wrong. `str()` is one or two sentences for the person who meets it."""

    def __init__(self, message: str, *, call_id: str | None = None) -> None:
        super().__init__(message)
        self.call_id = call_id
        """The job that it concerns, where there is one."""


class InputError(NadirError, ValueError):
    """The request was refused. Change the image, the prompt or the settings."""


class SceneError(InputError):
    """The file cannot be read as a scene. The message says what is wrong with it."""


class AccessError(NadirError):
    """The service wants credentials. Set MODAL_KEY and MODAL_SECRET."""


class TryAgainError(NadirError):
    """The service did not take or answer the call. The same call may succeed later."""

    def __init__(self, message: str, *, call_id: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, call_id=call_id)
        self.retry_after_s = retry_after_s
        """How long the service asks to be left alone, in seconds; None when it does not say."""


class ServiceUnreachable(TryAgainError):
    """Nothing answers at the service's address, or not in time."""


class ServiceBusy(TryAgainError):
    """The service's queue is full."""


class ProtocolError(NadirError):
    """What answers at the address is not a Nadir service."""


class GarbledAnswer(ProtocolError):
    """The answer is no JSON, or is damaged. One such answer may be an accident on the way; several are not."""


class JobFailed(NadirError):
    """The job ended without an answer."""


class JobGone(NadirError, ValueError):
    """The service no longer knows the job."""


class JobCancelled(JobGone):
    """The job was cancelled."""


class JobExpired(JobGone):
    """The job's result was removed, or the call id was never known."""


class WaitTimeout(NadirError, TimeoutError):
    """The time for waiting ran out. The job is still there."""
