"""Endpoints as people paste them, the audience and management address that follow, and what gateways ask for."""

import pytest

from tunebook.errors import ServiceError
from tunebook.service import connect
from tunebook.service.addresses import read_endpoint

CONTOSO = "https://contoso.openai.azure.com"
PROJECT = "https://contoso.services.ai.azure.com/api/projects/p1"


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        (f"{CONTOSO}/openai/deployments/x", CONTOSO),
        (f"{CONTOSO}/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", CONTOSO),
        (f"{CONTOSO}/openai/v1/chat/completions", CONTOSO),
        (f"{CONTOSO}//openai/v1/responses", CONTOSO),
        (f'"{CONTOSO}/"', CONTOSO),
        (f"'{CONTOSO}' ", CONTOSO),
        (f'AZURE_OPENAI_ENDPOINT="{CONTOSO}"', CONTOSO),
        ("contoso.openai.azure.com", CONTOSO),
        ("HTTPS://Contoso.OpenAI.Azure.com/", CONTOSO),
        ("https://contoso.services.ai.azure.com/models", "https://contoso.services.ai.azure.com"),
        (f"{PROJECT}/openai/v1/", PROJECT),
        (f"{PROJECT}?api-version=v1", PROJECT),
        ("https://apim-x.azure-api.net/aoai/openai/deployments/x", "https://apim-x.azure-api.net/aoai"),
        ("https://apim-x.azure-api.net/aoai", "https://apim-x.azure-api.net/aoai"),
        ("http://127.0.0.1:4000/openai/v1", "http://127.0.0.1:4000"),
    ],
)
def test_what_was_pasted_is_cut_to_what_is_meant(pasted, meant):
    assert read_endpoint(pasted).address == meant


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("https://<your-resource>.openai.azure.com", "in the place of <…>"),
        ("https://ai.azure.com/foundryProject/overview?wsid=/subscriptions/x", "the portal's own address"),
        ("https://portal.azure.com/#@x/resource/subscriptions", "the portal's own address"),
        ("https://x:notaport", "an address such as"),
        ("https://[::1", "an address such as"),
    ],
)
def test_what_cannot_be_meant_is_named(pasted, words):
    with pytest.raises(ServiceError, match=words):
        connect(pasted, api_key="k", environ={})


@pytest.mark.parametrize(
    ("endpoint", "scope", "management"),
    [
        (CONTOSO, "https://cognitiveservices.azure.com/.default", "https://management.azure.com"),
        (PROJECT, "https://ai.azure.com/.default", "https://management.azure.com"),
        (
            "https://contoso.openai.azure.us",
            "https://cognitiveservices.azure.us/.default",
            "https://management.usgovcloudapi.net",
        ),
        (
            "https://contoso.openai.azure.cn",
            "https://cognitiveservices.azure.cn/.default",
            "https://management.chinacloudapi.cn",
        ),
        (
            "https://apim-x.azure-api.net/aoai",
            "https://cognitiveservices.azure.com/.default",
            "https://management.azure.com",
        ),
    ],
)
def test_audience_and_management_address_follow_the_endpoint(endpoint, scope, management):
    cloud = read_endpoint(endpoint).cloud

    assert (cloud.token_scope, cloud.management_url) == (scope, management)


class Credential:
    def get_token(self, *scopes, **_):
        from azure.core.credentials import AccessToken

        return AccessToken("token-for-" + scopes[0], 9_999_999_999)


def test_a_parameter_overrides_what_the_endpoint_says():
    own = {"token_scope": "https://x/.default", "management_url": "https://arm.example"}
    ws = connect(CONTOSO, credential=Credential(), environ={}, **own)

    assert ws.client._api_key_provider() == "token-for-https://x/.default"
    assert ws.management._base == "https://arm.example"


@pytest.mark.parametrize("version", [None, "2025-04-01-preview"])
def test_the_key_goes_as_api_key_too_and_headers_are_sent_and_never_shown(world, version):
    ws = connect(
        f"{world.url}/team/openai",
        api_key="the-key",
        api_version=version,
        headers={"Ocp-Apim-Subscription-Key": "the-other-key"},
        environ={},
    )

    ws.files.list()

    sent = world.calls[-1].headers
    assert (sent["api-key"], sent["ocp-apim-subscription-key"]) == ("the-key", "the-other-key")
    assert world.calls[-1].path.startswith("/team/openai/")
    shown = repr(ws) + repr(vars(ws)) + ws._repr_html_() + repr(ws.management) + repr(ws.client)
    assert "the-other-key" not in shown
    assert "the-key" not in shown
