"""The one door to the service: connecting, files, jobs, watching, deployments, copies.

Everything the network carries passes through here, by way of the openai SDK, whose objects are handed on as
they are. What the service answers with an error arrives as the SDK's own exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook.lazy import lazy_names

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
__getattr__, __dir__ = lazy_names(__name__, _HOME)

if TYPE_CHECKING:
    from tunebook.service.connection import Workspace, connect
    from tunebook.service.copying import CheckpointCopy, check_copy, copy_checkpoint, read_copy
    from tunebook.service.deployments import Deployment
    from tunebook.service.jobs import Job
    from tunebook.service.request import JobRequest, RequestProblem
    from tunebook.service.watching import JobSnapshot, follow
