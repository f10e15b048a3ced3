"""What is refused is told in the service's own words, then what to do, by the doctor and the widgets alike."""

from datetime import date
from types import SimpleNamespace

import pytest
from azure.core.exceptions import ClientAuthenticationError
from contrary import Reply, page, refusal, unwrapped

from tunebook.cli import main
from tunebook.doctor import examine
from tunebook.errors import ServiceError
from tunebook.service import connect
from tunebook.service.management import Account
from tunebook.service.refusals import next_step, refused
from tunebook.widgets.clicks import sentence_of

SEEN = {
    "firewall": (refusal(403, "403", "Access denied due to Virtual Network/Firewall rules."), "under Networking"),
    "private": (refusal(403, "403", "Public access is disabled. Please configure private endpoint."), "from inside"),
    "keys off": (
        refusal(403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."),
        "leave out api_key",
    ),
    "audience": (unwrapped(401, "Access token is missing, invalid, audience is incorrect (x)."), "token_scope="),
    "gateway": (unwrapped(401, "Access denied due to missing subscription key. Make sure …"), "headers="),
    "wrong key": (
        refusal(401, "401", "Access denied due to invalid subscription key or wrong API endpoint."),
        "portal",
    ),
    "no role": (
        refusal(401, "PermissionDenied", "Principal does not have access to API/Operation."),
        "'Cognitive Services OpenAI Contributor'",
    ),
    "proxy": (Reply(407, b"<html>Proxy Authentication Required</html>"), "HTTPS_PROXY"),
    "version": (
        refusal(400, "BadRequest", "api-version query parameter is not allowed when using /v1 path"),
        "Leave out",
    ),
}


@pytest.mark.parametrize("case", SEEN)
def test_the_services_words_come_first_then_advice_by_its_code_the_same_everywhere(world, there, case):
    reply, advice = SEEN[case]
    world.answers("GET", "", reply, always=True)

    with pytest.raises(Exception) as raised:
        there.jobs.list()
    words = sentence_of(raised.value)
    found = {each.subject: each for each in examine(lambda: there, date(2026, 11, 1))}["service"]

    if isinstance(reply.body, dict):
        assert str((reply.body.get("error") or reply.body)["message"]).rstrip(".…") in words
    assert advice in words
    assert f"{found.told} {found.advice}" == words


ODD = [page(), *(Reply(200, body) for body in (b"null", b"[]", b"{}", b"", b"%PDF-1.7", b'{"error": null}'))]


@pytest.mark.parametrize("reply", ODD, ids=["page", "null", "list", "object", "nothing", "garbage", "other"])
def test_a_reply_that_is_not_the_services_is_an_error_of_the_kit_and_not_ok(world, there, reply, monkeypatch, capsys):
    world.answers("GET", "", reply, always=True)
    world.answers("POST", "", reply, always=True)
    for ask in (there.jobs.list, there.files.list, lambda: there.jobs.retrieve("x"), lambda: there.files.retrieve("x")):
        with pytest.raises(ServiceError, match="This is not the service's reply"):
            ask()

    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", world.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    assert main(["doctor"]) == 1
    assert "This is not the service's reply" in capsys.readouterr().out


@pytest.mark.parametrize("reply", [page(), Reply(200, b"null"), Reply(200, b"garbage")])
def test_the_management_plane_is_read_as_warily(world, there, reply):
    world.answers("GET", "deployments", reply, always=True)

    with pytest.raises(ServiceError):
        there.deployments.list()
    with pytest.raises(ServiceError, match="Azure Resource Manager"):
        there.management.read("/subscriptions/x/deployments", "2024-10-01")


def test_a_redirect_to_another_host_is_told_and_not_followed_with_the_key(world, there):
    world.answers("GET", "jobs", Reply(302, {}, {"location": "http://login.portal.example/?next=x"}))

    with pytest.raises(ServiceError, match=r"sends the request on to login\.portal\.example"):
        there.jobs.list()


class NotSignedIn:
    """As azure-identity fails: a long chain."""

    def get_token(self, *_, **__):
        raise ClientAuthenticationError(
            "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted:\n"
            "\tEnvironmentCredential: AADSTS7000215: Invalid client secret provided. Trace ID: 1\n\tAzureCli: …"
        )


def test_a_failed_sign_in_is_one_line_with_the_command_that_helps():
    ws = connect("https://contoso.openai.azure.com", credential=NotSignedIn(), environ={})

    with pytest.raises(ServiceError) as refusal_:
        ws.jobs.list()
    with pytest.raises(ServiceError) as at_management:
        ws.deployments.list()

    assert str(refusal_.value).startswith(
        "Entra ID did not sign in: AADSTS7000215: Invalid client secret provided. Run `az login`"
    )
    assert "\n" not in str(refusal_.value) + str(at_management.value)
    assert "az login" in str(at_management.value)


@pytest.mark.parametrize(
    ("status", "code", "message", "words"),
    [
        (
            400,
            "SpecialFeatureOrQuotaIdRequired",
            "The subscription does not have QuotaId/Feature",
            "another subscription",
        ),
        (403, "RequestDisallowedByPolicy", "Resource 'x' was disallowed by policy.", "A policy of your organisation"),
        (
            403,
            "AuthorizationFailed",
            "Public access is disabled. Please configure private endpoint.",
            "inside its network",
        ),
        (400, "BadRequest", "The deployment 'x' is in 'Failed' state, please delete it before …", "deployments.delete"),
        (400, "ServiceModelDeprecated", "The model has been deprecated since 03/31/2026", "choose a newer one"),
        (401, "InvalidAuthenticationToken", "obtained for wrong audience or resource 'https://x'", "token_scope"),
        (429, "TooManyRequests", "The server is busy", ""),
    ],
)
def test_advice_fits_the_reason_not_the_number(status, code, message, words):
    step = next_step(status, code, message, Account("s", "rg", "contoso"))

    assert words in step
    assert "capacity=" not in step


def test_a_wait_that_the_management_plane_asks_for_is_told():
    body = '{"error": {"code": "TooManyRequests", "message": "busy"}}'
    response = SimpleNamespace(text=lambda: body, headers={"retry-after": "3600"})
    error = SimpleNamespace(status_code=429, response=response)

    assert str(refused(error, "Deploying 'x'", Account("s", "g", "c"))).endswith("busy. It asks to wait for 3600 s.")


def test_the_management_plane_does_not_wait_an_hour_in_silence(world, there):
    busy = refusal(429, "TooManyRequests", "busy")
    busy.headers["retry-after"] = "3600"
    world.answers("GET", "deployments", busy, always=True)

    with pytest.raises(ServiceError, match="It asks to wait for 3600 s"):
        there.deployments.list()
