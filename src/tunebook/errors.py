"""Every error the kit raises itself.

    TunebookError
    ├── DataError            a training or validation file cannot be used as asked
    ├── ResultsError         a result file cannot be read as one
    ├── RequestError         a job request, sweep or argument the service would refuse
    └── ServiceError         the service cannot be reached, set up or started
        └── JobNotFinished   something was asked of a job that it does not have yet

What the service itself refuses is both a ServiceError and the openai SDK's own exception (`NotFoundError`,
`RateLimitError`, …), raised from it.
"""

from __future__ import annotations

import traceback
from pathlib import Path

_PACKAGE = str(Path(__file__).parent)


class TunebookError(Exception):
    """What was wrong (with the value), where (file, line, field) and what to do, in one message.

    >>> try:
    ...     tb.read_runs("nowhere")
    ... except tb.TunebookError as error:
    ...     print(error)
    nowhere: there is no such folder. Name one that holds run folders.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the sentence and the person's own lines, not what libraries did on the way."""
        own = [
            frame
            for frame in traceback.extract_tb(self.__traceback__)
            if "site-packages" not in frame.filename and not frame.filename.startswith(_PACKAGE)
        ]
        kind, cause = type(self), self.__cause__
        shown = [f"{kind.__name__}: {self}", "", *traceback.format_list(own)]
        if cause is not None:
            shown.append(f"Caused by {type(cause).__module__}.{type(cause).__name__}; `%debug` opens the place.")
        return [line.rstrip("\n") for line in shown]


class DataError(TunebookError):
    """A training or validation file cannot be read, split or written as asked.

    >>> tb.read_dataset([])
    Traceback (most recent call last):
    tunebook.errors.DataError: The list of examples is empty. Give at least one example, or the path of a file.
    """


class ResultsError(TunebookError):
    """A file cannot be read as a result file.

    >>> tb.load_results("train.jsonl")
    Traceback (most recent call last):
    tunebook.errors.ResultsError: train.jsonl...
    """


class RequestError(TunebookError):
    """A job request, sweep or argument is outside what the service accepts.

    >>> ws.jobs.create(tb.JobRequest(model="gpt-4.1-nano", training_file="file-1", n_epochs=0))
    Traceback (most recent call last):
    tunebook.errors.RequestError: This job would be refused. n_epochs: ...
    """


class ServiceError(TunebookError):
    """The service cannot be reached, configured or started.

    >>> tb.connect("ftp://contoso")
    Traceback (most recent call last):
    tunebook.errors.ServiceError: ...
    """


class JobNotFinished(ServiceError):
    """A result, checkpoint or model was asked of a job that has none yet."""
