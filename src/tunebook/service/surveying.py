"""Reading what a pre-flight judges: rights, SKUs, quotas, region, the job behind a model; and when it was called last.

Every read may be refused to this sign-in, or not exist at this service: then it gives None, and the pre-flight says
that this was not checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from openai import NotFoundError

from tunebook.service.jobs import as_json
from tunebook.service.preflight import Offer, name_and_version

if TYPE_CHECKING:
    from tunebook.service.connection import Workspace

_JOB_IN_NAME = re.compile(r"\.ft-([0-9a-f]{32})")


def location(workspace: Workspace) -> str | None:
    """The resource's region."""
    return if_allowed(lambda: workspace.management.location)


def permissions(workspace: Workspace) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] | None:
    """(actions, not_actions) of each role the sign-in has on the resource."""
    path = f"{workspace.management.account.id}/providers/Microsoft.Authorization/permissions"
    found = if_allowed(lambda: list(workspace.management.pages(path, "2022-04-01")))
    if found is None:
        return None
    return tuple((tuple(each.get("actions") or ()), tuple(each.get("notActions") or ())) for each in found)


def offers(workspace: Workspace, model: str) -> tuple[tuple[Offer, ...] | None, dict[str, tuple[float, float]] | None]:
    """In which SKUs the resource offers this model, and how much of each quota is used; None: it does not say."""
    account = workspace.management.account
    wanted, _ = name_and_version(model)
    listed = if_allowed(
        lambda: list(workspace.management.client.accounts.list_models(account.resource_group, account.name))
    )
    skus = next((each.skus for each in listed or () if each.name == wanted and each.skus), None)
    if skus is None:
        return None, None
    found = tuple(Offer(s.name, s.usage_name, getattr(s.capacity, "maximum", None)) for s in skus)
    region = location(workspace)
    usages = if_allowed(lambda: list(workspace.management.client.usages.list(region))) if region else None
    if usages is None:
        return found, None
    return found, {u.name.value: (u.current_value or 0.0, u.limit or 0.0) for u in usages if u.name}


def origin(workspace: Workspace, model: str) -> tuple[Mapping[str, Any] | None, tuple[str, ...] | None]:
    """The job that made a model, `{}` when the resource has none, and the names of the checkpoints it keeps."""
    found = _JOB_IN_NAME.search(model)
    if found is None:
        return None, None
    try:
        job = workspace.jobs.retrieve(f"ftjob-{found[1]}")
    except NotFoundError:
        return {}, None
    kept = [as_json(checkpoint) for checkpoint in job.checkpoints()]
    return as_json(job.job), tuple(str(checkpoint.get("fine_tuned_model_checkpoint")) for checkpoint in kept)


def last_calls(workspace: Workspace, *, days: int = 30) -> dict[str, datetime] | None:
    """When each deployment was last called, by Azure Monitor's daily counts; None when these cannot be read.

    A deployment without a call within `days` is missing from the mapping. Days are UTC; the end of the day counts.
    """
    now = datetime.now(UTC)
    span = f"{now - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}/{now:%Y-%m-%dT%H:%M:%SZ}"
    query = {
        "metricnames": "AzureOpenAIRequests",
        "timespan": span,
        "interval": "P1D",
        "aggregation": "Total",
        "$filter": "ModelDeploymentName eq '*'",
    }
    path = f"{workspace.management.account.id}/providers/Microsoft.Insights/metrics"
    told = if_allowed(lambda: workspace.management.read(path, "2023-10-01", **query))
    return None if told is None else last_days(told, now)


def last_days(told: Mapping[str, Any], now: datetime) -> dict[str, datetime]:
    """Deployment -> the last day with a call, of Azure Monitor's answer split by ModelDeploymentName."""
    found: dict[str, datetime] = {}
    for metric in told.get("value") or ():
        for series in metric.get("timeseries") or ():
            names = [m.get("value") for m in series.get("metadatavalues") or ()]
            days = [point["timeStamp"] for point in series.get("data") or () if point.get("total")]
            if names and days:
                day = datetime.fromisoformat(max(days).replace("Z", "+00:00"))
                found[str(names[0])] = min(day + timedelta(days=1), now)
    return found


def if_allowed(read: Callable[[], Any]) -> Any:
    """What a read gives, None when this sign-in or this service does not allow it: the pre-flight does without."""
    from azure.core.exceptions import HttpResponseError

    try:
        return read()
    except HttpResponseError:
        return None
