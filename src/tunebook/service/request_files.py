"""Job requests as files: JSON, YAML or TOML of the API's body, and the request file of `azd ai finetuning`.

The latter is YAML of the same shape but for four things, which are read in any of the formats: `epochs` stands for
`n_epochs`, a training file on this machine is written `local:train.jsonl`, an integration has its settings under
`config`, and further keys of the body stand under `extra_body`. Source: the extension's `CreateFineTuningRequest`
(Azure/azure-dev, cli/azd/extensions/azure.ai.finetune/pkg/models/finetune.go, 2026).
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from tunebook.errors import RequestError
from tunebook.service.request import JobRequest

LOCAL = "local:"
_FILES = ("training_file", "validation_file")
_OF_AZD = ("name", "description")  # what azd's `init` writes for people, and its `submit` does not send
_SAID = "Job requests are .json, .yaml (.yml) or .toml."


def read_request(path: str | os.PathLike[str]) -> JobRequest:
    """The job request in a file. Files on this machine are named `local:` and their path, from the request's folder.

    Raises RequestError, naming the file, for what cannot be read as a request.

    >>> request = tb.JobRequest(model="gpt-4.1-nano", training_file="local:train.jsonl", n_epochs=2)
    >>> tb.service.read_request(tb.service.write_request(request, "job.yaml")) == request
    True
    """
    file = Path(path)
    try:
        body = _parsed(file)
        if not isinstance(body, Mapping):
            raise RequestError("it holds no object with `model` and `training_file`.")
        request = JobRequest.from_json(_of_the_api(body))
    except RequestError as error:
        raise RequestError(f"{file}: {error}") from None
    folder = file.parent
    moved: dict[str, Any] = {
        name: LOCAL + os.path.normpath(folder / value.removeprefix(LOCAL))
        for name in _FILES
        if (value := getattr(request, name) or "").startswith(LOCAL)
    }
    return replace(request, **moved)


def write_request(request: JobRequest, path: str | os.PathLike[str]) -> Path:
    """Write a request: .json as the API takes it, .yaml as `azd ai finetuning jobs submit -f` takes it.

    Raises RequestError for another ending, for a setting that azd's file has no place for, and for a path that cannot
    be written.

    >>> request = tb.JobRequest(model="gpt-4.1-nano", training_file="local:train.jsonl", n_epochs=2)
    >>> print(tb.service.write_request(request, "azd.yaml").read_text())
    model: gpt-4.1-nano
    training_file: local:train.jsonl
    method:
      type: supervised
      supervised:
        hyperparameters:
          epochs: 2
    """
    file = Path(path)
    body = request.to_json()
    for name in _FILES:
        told = body.get(name) or ""
        if told.startswith(LOCAL) and not Path(told.removeprefix(LOCAL)).is_absolute():
            body[name] = LOCAL + os.path.relpath(told.removeprefix(LOCAL), file.parent)
    if file.suffix == ".json":
        text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    elif file.suffix in (".yaml", ".yml"):
        text = yaml.safe_dump(_of_azd(body), sort_keys=False, allow_unicode=True)
    else:
        raise RequestError(f"{file}: a request is written as .json or .yaml.")
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise RequestError(f"{file}: cannot be written ({error.strerror or error}).") from None
    return file


def local_path(named: str | None) -> Path | None:
    """The file on this machine that a request names, there or not; None for the id of an uploaded one, or for none."""
    if named is None:
        return None
    path = Path(named.removeprefix(LOCAL))
    return path if named.startswith(LOCAL) or path.suffix or len(path.parts) > 1 or path.is_file() else None


def _parsed(file: Path) -> Any:
    readers = {".json": json.loads, ".yaml": yaml.safe_load, ".yml": yaml.safe_load, ".toml": tomllib.loads}
    read = readers.get(file.suffix.lower())
    if read is None:
        raise RequestError(f"its name ends in {file.suffix or 'nothing'}. {_SAID}")
    try:
        body = read(file.read_text("utf-8-sig"))
        json.dumps(body, allow_nan=False)  # a date, a set, NaN: what the API cannot be sent
        return body
    except OSError as error:
        raise RequestError(f"cannot be read ({error.strerror or error}).") from None
    except (ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise RequestError(f"is no {file.suffix[1:].upper()}: {error}") from None


def _of_the_api(told: Mapping[str, Any]) -> dict[str, Any]:
    """A body of the API from one that may be azd's."""
    body = {key: value for key, value in told.items() if key not in (*_OF_AZD, "extra_body")}
    if "hyperparameters" in body:
        body["hyperparameters"] = _renamed(body["hyperparameters"], "epochs", "n_epochs")
    method = body.get("method")
    if isinstance(method, Mapping):
        body["method"] = {
            key: {**value, "hyperparameters": _renamed(value.get("hyperparameters"), "epochs", "n_epochs")}
            if isinstance(value, Mapping)
            else value
            for key, value in method.items()
        }
    if isinstance(body.get("integrations"), list):
        body["integrations"] = [
            _renamed(each, "config", each["type"])
            if isinstance(each, Mapping) and isinstance(each.get("type"), str)
            else each
            for each in body["integrations"]
        ]
    return body | _settings(told.get("extra_body"))


def _of_azd(body: Mapping[str, Any]) -> dict[str, Any]:
    """azd's request from a body of the API: what it has no key for goes into `extra_body`."""
    known = ("model", "training_file", "validation_file", "suffix", "seed", "metadata", "method", "integrations")
    made = {key: body[key] for key in known if key in body}
    kind = body["method"]["type"]
    inside = dict(body["method"][kind])
    if "hyperparameters" in inside:
        inside["hyperparameters"] = _renamed(inside["hyperparameters"], "n_epochs", "epochs")
    made["method"] = {"type": kind, kind: inside}
    if "integrations" in made:
        made["integrations"] = [_renamed(each, each.get("type"), "config") for each in made["integrations"]]
    for key in inside.keys() - {"hyperparameters", "grader"}:
        raise RequestError(f"{key}: the request file of azd has no place for it. Write the request as .json.")
    rest = {key: value for key, value in body.items() if key not in made}
    return made | ({"extra_body": rest} if rest else {})


def _renamed(values: Any, old: str, new: str) -> dict[str, Any]:
    given = _settings(values)
    if old in given and new in given:
        raise RequestError(f"{old} and {new} stand for the same: give one of them.")
    return {new if key == old else key: value for key, value in given.items()}


def _settings(values: Any) -> dict[str, Any]:
    """Settings by their names; nothing is none of them."""
    if values is not None and not isinstance(values, Mapping):
        raise RequestError(f"{values!r} stands where settings are expected, each with its name.")
    return dict(values or {})
