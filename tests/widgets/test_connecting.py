"""The connect form: no field holds a key, a wrong address is said at once, several resources side by side."""

from __future__ import annotations

from types import SimpleNamespace

import ipywidgets
import pytest

from tunebook.errors import ServiceError
from tunebook.widgets.connecting import ASKED, EMBEDDED, ENTRA, VARIABLE, ConnectForm, full_endpoint
from tunebook.widgets.outputs import all_widgets

from .conftest import at_once, texts

KEY = "k3y-never-to-be-seen"


def opened(endpoint, *, api_key=None, environ=None):
    """What `connect` would give; the key it was given is kept to be looked at."""
    del environ
    jobs = SimpleNamespace(list=lambda limit: [])  # noqa: ARG005
    name = endpoint.removeprefix("https://").split(".")[0]
    return SimpleNamespace(name=name, endpoint=endpoint, kind="Azure OpenAI resource", jobs=jobs, given=api_key)


def form_of(opener=opened, **environ) -> ConnectForm:
    return ConnectForm(environ=environ, spawn=at_once, open_workspace=opener)


def test_there_is_no_password_widget() -> None:
    assert not any(isinstance(widget, ipywidgets.Password) for widget in all_widgets(form_of().widget))


def test_a_key_comes_from_the_named_variable_and_is_in_no_widget() -> None:
    form = form_of(MY_KEY=KEY)
    form.endpoint.value, form.sign_in.value, form.variable.value = "contoso", VARIABLE, "MY_KEY"

    form.button.click()

    assert form.workspace.given == KEY
    assert all(KEY not in str(widget.get_state()) for widget in all_widgets(form.widget))
    assert KEY not in repr(form) + str(form._repr_mimebundle_())


def test_a_variable_that_is_not_set_is_said_before_connecting() -> None:
    form = form_of()
    form.endpoint.value, form.sign_in.value = "contoso", VARIABLE

    assert form.button.disabled
    assert "AZURE_OPENAI_API_KEY is not set" in texts(form.widget)


def test_a_typed_key_is_asked_for_in_a_cell() -> None:
    form = form_of()
    form.endpoint.value, form.sign_in.value = "contoso", ASKED
    asked = []

    workspace = form.connect(ask=lambda prompt: asked.append(prompt) or KEY)

    assert form.button.disabled
    assert asked == ["key of https://contoso.openai.azure.com: "]
    assert workspace.given == KEY
    assert all(KEY not in str(widget.get_state()) for widget in all_widgets(form.widget))


def test_entra_sign_in_takes_no_key_from_the_environment() -> None:
    form = form_of(AZURE_OPENAI_API_KEY=KEY)
    form.endpoint.value, form.sign_in.value = "contoso", ENTRA

    form.button.click()

    assert form.workspace.given is None


def test_several_resources_stay_connected_and_are_named() -> None:
    form = form_of()
    for name in ("contoso", "fabrikam"):
        form.endpoint.value = name
        form.button.click()

    assert list(form.workspaces) == ["contoso", "fabrikam"]
    assert form.workspace.name == "fabrikam"
    assert "contoso" in repr(form)


def test_a_wrong_address_or_key_is_shown_and_nothing_is_connected() -> None:
    def refused(*_, **__):
        raise ServiceError("endpoint 'x': <b>an address</b> is needed")

    form = form_of(refused)
    form.endpoint.value = "not an address"
    form.button.click()

    assert "&lt;b&gt;an address&lt;/b&gt; is needed" in texts(form.widget)
    assert form.workspace is None
    assert not form.button.disabled


def test_the_embedded_service_needs_nothing_filled_in() -> None:
    form = form_of()
    form.where.value = EMBEDDED

    assert not form.button.disabled
    assert form.endpoint.layout.display == "none"


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("contoso", "https://contoso.openai.azure.com"),
        (" https://c.services.ai.azure.com/api/projects/p ", "https://c.services.ai.azure.com/api/projects/p"),
        ("", ""),
    ],
)
def test_a_resource_name_is_enough_for_its_address(typed, address) -> None:
    assert full_endpoint(typed) == address
