"""What the service refuses, in words: its own reason first, then what to do about it.

The data plane, gateways and Azure Resource Manager write their errors differently (`{"error": {"code", "message",
"details"}}`, `{"statusCode", "message"}`, an HTML page). The codes and words are those seen in public reports; where
none is known, the status tells what to do, or the service's words stand alone.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from openai import APIConnectionError, APIError

from tunebook.errors import ServiceError, TunebookError

# The smallest built-in role that may create and delete deployments and use the data plane:
# https://learn.microsoft.com/azure/ai-foundry/openai/how-to/role-based-access-control
DEPLOYER_ROLE = "Cognitive Services OpenAI Contributor"
CALLER_ROLE = "Cognitive Services OpenAI User"
_MOST = 400  # characters of a reason

SIGN_IN = (
    "Run `az login` in a terminal (with --tenant, when the resource is in another one) and try again; or give api_key=."
)
_KEY = (
    "Compare key and endpoint with the portal's Keys and Endpoint: both of the same resource; or sign in: `az login`."
)
_QUOTA = (
    "Ask for less with capacity=, lower another deployment of the same model and SKU, delete one, choose another "
    "SKU, or ask for more quota in the portal under Quotas."
)
_WHERE = "Check subscription and resource group; the resource's address stands in the portal."
_LATER = "Another change of this resource is under way: try again when it is done."
_ROLE = "Ask an owner of the resource for the role {role!r} on {account}; it takes some minutes to take effect."
_BY_CODE: Mapping[str, str] = {
    "AuthenticationTypeDisabled": (
        "Keys are switched off for this resource: leave out api_key, unset AZURE_OPENAI_API_KEY, and sign in with "
        "Entra ID (`az login`)."
    ),
    "SpecialFeatureOrQuotaIdRequired": (
        "The subscription itself may not have this: its kind of offer, or a registration, is missing. Use another "
        "subscription, or ask for access in the portal; less capacity does not help."
    ),
    "RequestDisallowedByPolicy": (
        "A policy of your organisation forbids it. Ask who administers the subscription, or choose what the policy "
        "allows: another region, SKU or name."
    ),
    "ServiceModelDeprecated": "The model is retired: choose a newer one, for training too.",
    "CanNotDeleteBecauseDeployment": "Delete the deployments of the model first: ws.deployments.delete(name).",
    "InsufficientQuota": _QUOTA,
    "QuotaExceeded": _QUOTA,
    "InvalidCapacity": "Give capacity= as a whole number of thousands of tokens per minute within what the SKU allows.",
    "DeploymentModelNotSupported": (
        "The model is not offered in this region as this SKU, or is not there at all: deploy it where it was trained, "
        'with sku="globalstandard", or copy the checkpoint to a region that has it.'
    ),
    "InvalidResourceProperties": "Check the SKU, the region and the model's format and version.",
    "SkuNotAvailable": 'Choose another SKU: "standard", "globalstandard" or "developer".',
    "ResourceNotFound": _WHERE,
    "ParentResourceNotFound": _WHERE,
    "ResourceGroupNotFound": "Check the resource group's name.",
    "SubscriptionNotFound": "Check the subscription's id, and that the sign-in is to its tenant.",
    "RequestConflict": _LATER,
    "AnotherOperationInProgress": _LATER,
    "LinkedAuthorizationFailed": (
        f"The fine-tuned model belongs to a workspace this sign-in may not read: ask for the role {DEPLOYER_ROLE!r} on "
        "the resource and for the Reader role on the scope the message names."
    ),
}
# What stands in the message tells more than a status does; of several the first.
_BY_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (
            r"virtual network|firewall",
            "The resource lets in chosen networks only: connect from one of them (a VPN, say), or have your address "
            "added in the portal under Networking. Key and role are not the reason.",
        ),
        (
            r"public access is disabled|private endpoint|public network access",
            "The resource is reached from inside its network alone: work there (a VPN, or a machine in it), where its "
            "name leads to the private address. Key and role are not the reason.",
        ),
        (
            r"audience",
            "The sign-in's token is for another audience. connect() chooses it by the endpoint; "
            "token_scope='https://…/.default' names another (a project's is https://ai.azure.com/.default).",
        ),
        (
            r"missing subscription key",
            "A gateway (API Management) wants a key of its own: give that as api_key=, or under the name it asks for "
            "with headers={'Ocp-Apim-Subscription-Key': …}.",
        ),
        (r"invalid subscription key|wrong api endpoint", _KEY),
        (
            r"'?failed'? state, please delete",
            "Delete that deployment, then create it again: ws.deployments.delete(name).",
        ),
        (r"api.version.*not (allowed|supported)", "Leave out api_version (and OPENAI_API_VERSION), or give another."),
        (
            r"finetuningjob field is required",
            "The service could not read the request. A training type it does not know does this: send Standard, "
            "GlobalStandard or developerTier.",
        ),
        (r"lacks the required data action|does not have access to api", _ROLE),
        (r"aadsts|credential", SIGN_IN),
    )
)
_BY_STATUS: Mapping[int, str] = {
    401: f"The key was changed or revoked, or the sign-in has expired. {_KEY}",
    403: _ROLE,
    407: "A proxy wants a sign-in: put user and password into HTTPS_PROXY, or the endpoint into NO_PROXY.",
}


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def error_of(error: Any) -> tuple[int | None, str, str]:
    """HTTP status, code and message of an SDK's error; the innermost detail when there is one."""
    body: Any = {}
    response = getattr(error, "response", None)
    try:
        text = getattr(response, "text", "")
        body = json.loads(text() if callable(text) else text)
    except (ValueError, TypeError, AttributeError):
        body = {}
    reason = body.get("error", body) if isinstance(body, Mapping) else {}
    if not isinstance(reason, Mapping):
        reason = {"message": reason}
    while isinstance(details := reason.get("details"), list) and details and isinstance(details[0], Mapping):
        reason = details[0]
    message = str(reason.get("message") or getattr(error, "message", None) or error).strip()
    if re.match(r"\s*<(!doctype|html)", message, re.IGNORECASE):
        message = "an HTML page, which the service does not send: a gateway or proxy stands between"
    status = getattr(error, "status_code", None)
    code = str(reason.get("code") or "")
    return status, "" if code == str(status) else code, message.partition("\n")[0][:_MOST]


def next_step(status: int | None, code: str, message: str, account: _Named | None = None) -> str:
    """What to do about a refusal. Empty when nothing better than the service's own words is known."""
    advice = _BY_CODE.get(code) or next((told for words, told in _BY_WORDS if words.search(message)), "")
    if not advice and "quota" in (code + message).lower() and status != 429:
        advice = _QUOTA
    if not advice and code == "AuthorizationFailed":
        advice = _ROLE
    advice = advice or _BY_STATUS.get(status or 0, "")
    where = account.name if account else "it"
    return advice.replace("{role!r}", repr(DEPLOYER_ROLE)).replace("{account}", where)


def refused(error: Any, doing: str, account: _Named) -> ServiceError:
    """The ServiceError to raise from a management-plane error; `doing` is e.g. `Deploying support-v1`."""
    if is_no_sign_in(error):
        return ServiceError(f"{doing}: {no_sign_in(error)}")
    status, code, message = error_of(error)
    label = " ".join(str(part) for part in (status, code) if part)
    sentence = f"{doing} was refused" + (f" ({label})" if label else "") + f": {message}"
    after = getattr(getattr(error, "response", None), "headers", {}).get("retry-after")
    wait = f"It asks to wait for {after} s. " if after else ""
    step = wait + next_step(status, code, message, account)
    return ServiceError(f"{sentence.rstrip('.')}. {step}".strip())


class _Told(ServiceError):
    """An error of the SDK that says its reason and what to do: of its own class as well as the kit's."""


@functools.cache
def _told_kind(kind: Any) -> Any:
    return type(kind.__name__, (_Told, kind), {"__module__": kind.__module__})


def told(error: APIError) -> Any:
    """The same error, as one of the kit's: its reason in a sentence, with everything the SDK knows of it."""
    own: Any = type(error)
    kind = _told_kind(own)
    same = kind.__new__(kind, " ".join(filter(None, reason(error))))
    same.__dict__.update(error.__dict__)
    return same


def reason(error: BaseException) -> tuple[str, str]:
    """Any error of a call to the service as (what went wrong, what to do): its own words, then advice by its code."""
    if isinstance(error, TunebookError) and not isinstance(error, _Told):
        return str(error), ""
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and not is_no_sign_in(error):
        _, code, message = error_of(error)
        label = f"{status}, {code}" if code else f"{status}"
        what = _SENTENCES.get(status, "The service answers {label}: {message}").format(label=label, message=message)
        advice = next_step(status, code, message)
        return f"{what.rstrip('.')}.", advice or ("It may have been deleted elsewhere." if status == 404 else "")
    if isinstance(error, APIConnectionError):
        asked = error.request.url
        return f"{asked.scheme}://{asked.netloc.decode()} cannot be reached.", (
            "Check the endpoint (the portal's Keys and Endpoint has it), the network and a proxy in the environment; "
            "jobs at the service go on."
        )
    if is_no_sign_in(error):
        return no_sign_in(error), ""
    return f"{type(error).__name__}: {error}", ""


_SENTENCES = {
    401: "The service refused the credentials ({label}): {message}",
    403: "The service refuses this to you ({label}): {message}",
    404: "The service does not find it ({label}): {message}",
    429: "The service is asked too much or a quota is full ({label}): {message}",
}


def is_no_sign_in(error: BaseException) -> bool:
    """Whether Entra ID gave no token at all: nothing was asked of the service yet."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return "ClientAuthenticationError" in names and getattr(error, "response", None) is None


def no_sign_in(error: BaseException) -> str:
    """A failed sign-in in one line, not the whole chain of credentials that were tried."""
    text = str(error).strip()
    named = re.search(r"AADSTS\d+:[^\n.]*", text)
    cause = named[0].strip() if named else "" if "\n" in text else text.removesuffix(".")
    return f"Entra ID did not sign in{': ' + cause if cause else ''}. {SIGN_IN}"


def signed_in(token: Callable[[], str]) -> Callable[[], str]:
    """A token provider whose failure is an error of the kit."""

    def provide() -> str:
        try:
            return token()
        except Exception as error:
            if not is_no_sign_in(error):
                raise
            raise ServiceError(no_sign_in(error)) from error

    return provide
