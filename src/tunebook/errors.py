"""Every error the kit raises itself.

    TunebookError
    ├── DataError            a training or validation file cannot be used as asked
    ├── ResultsError         a result file cannot be read as one
    ├── RequestError         a job request, sweep or argument the service would refuse
    └── ServiceError         the service cannot be reached, set up or started
        └── JobNotFinished   something was asked of a job that it does not have yet

What the service itself answers arrives as the openai SDK's own exceptions, unchanged.
"""

from __future__ import annotations


class TunebookError(Exception):
    """What was wrong (with the value), where (file, line, field) and what to do, in one message."""


class DataError(TunebookError):
    """A training or validation file cannot be read, split or written as asked."""


class ResultsError(TunebookError):
    """A file cannot be read as a result file."""


class RequestError(TunebookError):
    """A job request, sweep or argument is outside what the service accepts."""


class ServiceError(TunebookError):
    """The service cannot be reached, configured or started."""


class JobNotFinished(ServiceError):
    """A result, checkpoint or model was asked of a job that has none yet."""
