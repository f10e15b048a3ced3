"""The one door to the service: connecting, files, jobs, watching, deployments, copies.

Everything the network carries passes through here, by way of the openai SDK, whose objects are handed on as
they are. What the service answers with an error arrives as the SDK's own exception.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "CheckpointCopy": "copying",
    "Deployment": "deployments",
    "Job": "jobs",
    "JobRequest": "request",
    "JobSnapshot": "watching",
    "RequestProblem": "request",
    "Workspace": "connection",
    "check_copy": "copying",
    "connect": "connection",
    "copy_checkpoint": "copying",
    "follow": "watching",
    "read_copy": "copying",
}
__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from tunebook.service.connection import Workspace, connect
    from tunebook.service.copying import CheckpointCopy, check_copy, copy_checkpoint, read_copy
    from tunebook.service.deployments import Deployment
    from tunebook.service.jobs import Job
    from tunebook.service.request import JobRequest, RequestProblem
    from tunebook.service.watching import JobSnapshot, follow


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
