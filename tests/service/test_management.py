"""Where a resource stands in Azure: said, read from the environment, or found once from the endpoint."""

from types import SimpleNamespace

import pytest
from azure.core.exceptions import ClientAuthenticationError

from tunebook.errors import ServiceError
from tunebook.service import connect
from tunebook.service.management import Account, Management
from tunebook.service.refusals import error_of, next_step, refused

ENDPOINT = "https://contoso.openai.azure.com"
ID = "/subscriptions/sub-1/resourceGroups/Group/providers/Microsoft.CognitiveServices/accounts/contoso"
ACCOUNT = Account("sub-1", "Group", "contoso")


def workspace(environ=None, **options):
    return connect(ENDPOINT, api_key="k", environ=environ or {}, **options)


def account(name, endpoint, location="Sweden Central", subdomain=None):
    properties = SimpleNamespace(endpoint=endpoint, endpoints={}, custom_sub_domain_name=subdomain)
    return SimpleNamespace(id=ID.replace("contoso", name), location=location, properties=properties)


@pytest.fixture
def azure(monkeypatch):
    """Two subscriptions with accounts, where Azure would be; lists which subscriptions were asked."""
    asked = []
    accounts = {
        "sub-0": [account("other", "https://other.openai.azure.com/")],
        "sub-1": [account("contoso", "https://contoso.cognitiveservices.azure.com/", subdomain="contoso")],
        "sub-2": [],
    }

    def sdk(_, subscription):
        asked.append(subscription)
        return SimpleNamespace(accounts=SimpleNamespace(list=lambda: accounts[subscription]))

    monkeypatch.setattr(Management, "_sdk", sdk)
    monkeypatch.setattr(Management, "pages", lambda *_: ({"subscriptionId": name} for name in accounts))
    return asked


def test_a_resource_id_says_everything(azure):
    assert workspace(resource_id=ID).management.account == ACCOUNT
    assert workspace({"AZURE_OPENAI_RESOURCE_ID": ID + "/"}).management.account == ACCOUNT
    assert azure == []


def test_subscription_and_group_are_enough_with_the_name_in_the_endpoint(azure):
    environ = {"AZURE_SUBSCRIPTION_ID": "sub-1", "AZURE_RESOURCE_GROUP": "Group"}

    assert workspace(environ).management.account == ACCOUNT
    assert workspace(subscription="sub-1", resource_group="Group").management.account.id == ID
    assert azure == []


@pytest.mark.usefixtures("azure")
def test_arguments_win_over_the_environment():
    environ = {"AZURE_SUBSCRIPTION_ID": "wrong", "AZURE_RESOURCE_GROUP": "Group"}

    assert workspace(environ, subscription="sub-1").management.account == ACCOUNT


def test_what_is_missing_is_found_from_the_endpoint_and_once(azure):
    management = workspace().management

    assert management.account == Account("sub-1", "Group", "contoso", "swedencentral")
    assert management.location == "swedencentral"
    assert management.account.name == "contoso"
    assert azure == ["sub-0", "sub-1"]


@pytest.mark.usefixtures("azure")
def test_a_resource_that_is_not_visible_says_what_to_do():
    with pytest.raises(
        ServiceError, match=r"visible to this sign-in in subscription sub-2.*'Cognitive Services OpenAI"
    ):
        _ = workspace(subscription="sub-2").management.account


@pytest.mark.usefixtures("azure")
def test_a_sign_in_that_fails_says_how_else_it_can_be_said(monkeypatch):
    def denied(*_):
        raise ClientAuthenticationError("DefaultAzureCredential failed\nand more lines")

    monkeypatch.setattr(Management, "pages", denied)
    with pytest.raises(ServiceError, match=r"did not sign in. Run `az login`.* Say it with .*AZURE_RESOURCE_GROUP"):
        _ = workspace().management.account


def test_what_is_no_resource_id_is_refused():
    with pytest.raises(ServiceError, match="stands in the portal under Properties"):
        Account.from_id("contoso")


def test_the_embedded_service_needs_no_coordinates(ws):
    assert ws.management.account.resource_group == "embedded"


def test_a_listing_of_several_pages_is_read_to_its_end(ws, monkeypatch):
    pages = {
        None: {"value": [{"n": 1}], "nextLink": "https://management.azure.com/x?api-version=1&$skiptoken=a%2Fb"},
        "a/b": {"value": [{"n": 2}]},
    }
    monkeypatch.setattr(ws.management, "read", lambda _path, _version, **query: pages[query.get("$skiptoken")])

    assert [item["n"] for item in ws.management.pages("/x", "1")] == [1, 2]


def test_the_key_is_in_no_repr():
    ws = connect("http://127.0.0.1:9", api_key="secret-key", environ={})

    assert "secret-key" not in repr(ws) + repr(ws.management) + repr(ws.deployments)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AuthorizationFailed", "Cognitive Services OpenAI Contributor' on contoso"),
        (403, "LinkedAuthorizationFailed", "Reader role on the scope"),
        (401, "ExpiredAuthenticationToken", "az login"),
        (400, "InsufficientQuota", "Ask for less with capacity="),
        (400, "SomethingWithQuota", "Ask for less with capacity="),
        (409, "RequestConflict", "try again when it is done"),
        (418, "Teapot", ""),
    ],
)
def test_a_refusal_is_followed_by_what_to_do(status, code, words):
    step = next_step(status, code, "message", ACCOUNT)

    assert words in step
    assert bool(step) == bool(words)


def test_the_innermost_detail_of_an_error_is_told():
    body = (
        '{"error": {"code": "Outer", "message": "see inner", "details": [{"code": "Inner", "message": "the cause"}]}}'
    )
    error = SimpleNamespace(status_code=400, response=SimpleNamespace(text=lambda: body))

    assert error_of(error) == (400, "Inner", "the cause")
    assert str(refused(error, "Deploying 'x'", ACCOUNT)) == "Deploying 'x' was refused (400 Inner): the cause."


@pytest.mark.parametrize("text", ["", "<html>", "[]", '{"error": "words"}', '{"error": null}'])
def test_an_error_in_another_shape_is_still_told(text):
    error = SimpleNamespace(status_code=502, response=SimpleNamespace(text=lambda: text), message="Bad gateway")

    assert "was refused (502" in str(refused(error, "Deploying 'x'", ACCOUNT))
