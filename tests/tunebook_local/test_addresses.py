"""Both families of addresses, one router."""

import pytest

from tunebook_local.desk.refusals import Refusal
from tunebook_local.http.addresses import Address, read_address


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("/openai/v1/files", None, Address("/files", "v1")),
        ("/openai/v1/files", "preview", Address("/files", "v1", "preview")),
        ("//openai//v1///files", None, Address("/files", "v1")),
        ("/openai/files", "2024-10-21", Address("/files", "dated", "2024-10-21")),
        ("/api/projects/mine/openai/v1/models", None, Address("/models", "project")),
        (
            "/Subscriptions/S1/resourcegroups/Accounts/providers/microsoft.cognitiveservices/ACCOUNTS/a/Deployments/D",
            "2024-10-01",
            Address(
                "/subscriptions/S1/resourceGroups/accounts/providers/Microsoft.CognitiveServices/accounts/a/deployments/D",
                "arm",
                "2024-10-01",
            ),
        ),
    ],
)
def test_an_address_is_its_family_and_the_path_within_it(path, version, expected):
    assert read_address(path, version, "azure") == expected


@pytest.mark.parametrize(
    ("path", "version", "status"),
    [
        ("/openai/files", None, 404),
        ("/openai/files", "yesterday", 404),
        ("/openai/v1/files", "2024-10-21", 400),
        ("/api/projects/mine/openai/v1/files", "preview", 400),
        ("/files", None, 404),
        ("/v1/files", None, 404),
    ],
)
def test_a_version_the_family_does_not_take_is_refused(path, version, status):
    with pytest.raises(Refusal) as refused:
        read_address(path, version, "azure")

    assert refused.value.status == status


@pytest.mark.parametrize("path", ["/files", "/v1/files", "/openai/v1/files"])
def test_openais_dialect_is_served_at_the_bare_root_too(path):
    assert read_address(path, None, "openai").path == "/files"


@pytest.mark.parametrize(
    ("where", "family", "version", "offered"),
    [
        ("all", "v1", None, True),
        ("dated", "v1", None, False),
        ("v1", "dated", "2025-04-01-preview", False),
        ("v1 and dated since 2025", "dated", "2024-10-21", False),
        ("v1 and dated since 2025", "dated", "2025-04-01-preview", True),
        ("v1 and dated since 2025", "project", None, True),
        ("arm", "v1", None, False),
        ("all", "arm", "2024-10-01", False),
        ("openai", "v1", None, False),
    ],
)
def test_an_operation_is_offered_where_azure_offers_it(where, family, version, offered):
    assert Address("/x", family, version).offers(where, "azure") is offered
