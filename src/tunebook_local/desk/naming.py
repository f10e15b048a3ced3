"""Ids and model names, as the service writes them: `ftjob-` + 32 hex, `<base>.ft-<the same hex>[-suffix]`,
or in OpenAI's dialect `ft:<base>:<organisation>:[suffix]:<of the same hex>`."""

from __future__ import annotations

import uuid

_PREFIX = {
    "file": "file-",
    "job": "ftjob-",
    "event": "ftevent-",
    "checkpoint": "ftchkpt-",
    "upload": "upload_",
    "part": "uplprt-",
    "eval": "eval_",
    "run": "evalrun_",
    "output item": "outputitem_",
}


def new_id(kind: str) -> str:
    """A fresh id of this kind."""
    return _PREFIX[kind] + uuid.uuid4().hex


def fine_tuned_name(base_model: str, job_id: str, suffix: str | None, dialect: str = "azure") -> str:
    """The name of the model a job makes."""
    own = job_id.removeprefix(_PREFIX["job"])
    if dialect == "openai":
        return f"ft:{base_model}:tunebook:{suffix or ''}:{own[:12]}"
    return f"{base_model}.ft-{own}" + (f"-{suffix}" if suffix else "")


def is_tuned(model: str) -> bool:
    """Whether this is the name of a fine-tuned model, or of a checkpoint of one."""
    return ".ft-" in model or model.startswith("ft:")


def checkpoint_name(fine_tuned_model: str, step: int) -> str:
    """The name of the model as it was after `step`; the last checkpoint of a job has the model's own name."""
    return f"{fine_tuned_model}:ckpt-step-{step}"
