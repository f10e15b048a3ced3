"""Connecting: arguments before the environment, addresses checked, and no secret in anything shown."""

import pytest

from tunebook.errors import ServiceError
from tunebook.service import connect

KEY = "secret-0123456789"


class Credential:
    """Stands where azure-identity's DefaultAzureCredential would."""

    def get_token(self, *scopes, **_):
        from azure.core.credentials import AccessToken

        return AccessToken("token-for-" + scopes[0], 9_999_999_999)


def test_the_environment_names_the_resource():
    environ = {"AZURE_OPENAI_ENDPOINT": "https://contoso.openai.azure.com/", "AZURE_OPENAI_API_KEY": KEY}

    ws = connect(environ=environ)

    assert (ws.name, ws.endpoint, ws.embedded) == ("contoso", "https://contoso.openai.azure.com", False)
    assert str(ws.client.base_url) == "https://contoso.openai.azure.com/openai/v1/"


@pytest.mark.parametrize("tail", ["", "/", "/openai", "/openai/v1", "/openai/v1/"])
def test_an_address_copied_with_its_api_path_is_understood(tail):
    ws = connect(f"https://contoso.openai.azure.com{tail}", api_key=KEY, environ={})

    assert ws.endpoint == "https://contoso.openai.azure.com"


def test_a_dated_api_version_uses_the_dated_addresses():
    ws = connect("https://contoso.openai.azure.com", api_key=KEY, api_version="2025-04-01-preview", environ={})

    assert str(ws.client.base_url) == "https://contoso.openai.azure.com/openai/"


def test_a_project_address_takes_no_api_version():
    project = "https://contoso.services.ai.azure.com/api/projects/tuning"

    assert connect(project, api_key=KEY, environ={}).name == "contoso/tuning"
    with pytest.raises(ServiceError, match="takes none"):
        connect(project, api_key=KEY, api_version="2025-04-01-preview", environ={})


def test_without_a_key_the_credential_signs_in():
    ws = connect("https://contoso.openai.azure.com", credential=Credential(), environ={})

    assert ws.client._api_key_provider() == "token-for-https://cognitiveservices.azure.com/.default"


@pytest.mark.parametrize(
    "endpoint",
    [
        "contoso",
        "http://contoso.openai.azure.com",
        "https://",
        "ftp://x",
        f"https://u:{KEY}@x.com",
        f"https://x.com?key={KEY}",
    ],
)
def test_an_address_that_cannot_be_one_is_refused_before_anything_is_sent(endpoint):
    with pytest.raises(ServiceError, match=r"my-resource\.openai\.azure\.com") as refused:
        connect(endpoint, api_key=KEY, environ={})

    assert KEY not in str(refused.value)


def test_the_key_is_in_nothing_that_is_shown():
    ws = connect("https://contoso.openai.azure.com", api_key=KEY, environ={})

    shown = [repr(ws), ws._repr_html_(), repr(ws.files), repr(ws.jobs), repr(vars(ws))]

    assert not any(KEY in text for text in shown)
