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
    """What was wrong (with the value), where (file, line, field) and what to do, in one message.

    >>> try:
    ...     tb.read_runs("nowhere")
    ... except tb.TunebookError as error:
    ...     print(error)
    nowhere: there is no such folder. Name one that holds run folders.
    """


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
