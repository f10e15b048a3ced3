"""The connect form: no field holds a key, a wrong address is said at once, several resources side by side."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace

import ipywidgets
import pytest

from tunebook.errors import ServiceError
from tunebook.service.connection import device_credential
from tunebook.widgets.connecting import (
    ASKED,
    DEVICE,
    EMBEDDED,
    ENTRA,
    VARIABLE,
    ConnectForm,
    full_endpoint,
)
from tunebook.widgets.outputs import all_widgets

from .conftest import at_once, texts

KEY = "k3y-never-to-be-seen"


def opened(endpoint, *, api_key=None, credential=None, environ=None):
    """What `connect` would give; the key it was given is kept to be looked at."""
    del environ
    # The first request asks the credential for a token.
    jobs = SimpleNamespace(list=lambda limit: [credential()] if credential else [])  # noqa: ARG005
    name = endpoint.removeprefix("https://").split(".")[0]
    return SimpleNamespace(name=name, endpoint=endpoint, kind="Azure OpenAI resource", jobs=jobs, given=api_key)


def form_of(opener=opened, by_code=None, **environ) -> ConnectForm:
    return ConnectForm(environ=environ, spawn=at_once, open_workspace=opener, sign_in_by_code=by_code)


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


TOKEN = "t0ken-never-to-be-seen"
UNTIL = datetime(2026, 11, 23, 12, 30).astimezone()  # of this machine


class Microsoft:
    """The credential that signs in by a code: shows it, then `signs_in` or fails."""

    def __init__(self, form_shows, *, error=None, code="ABCD-1234", address="https://microsoft.com/devicelogin"):
        self.form_shows, self.error, self.code, self.address = form_shows, error, code, address
        self.tenant = self.seen = None

    def __call__(self, show, tenant):
        self.tenant = tenant

        def token():
            show(self.address, self.code, UNTIL)
            self.seen = self.form_shows()
            if self.error:
                raise self.error
            return TOKEN

        return token


def sign_in_by_code(**answers):
    form = form_of()
    form._by_code = microsoft = Microsoft(lambda: texts(form.widget), **answers)
    form.endpoint.value, form.sign_in.value, form.tenant.value = "contoso", DEVICE, "fabrikam.com"
    form.button.click()
    return form, microsoft


def test_signing_in_by_a_code_shows_it_while_it_is_waited_for_and_keeps_no_token() -> None:
    form, microsoft = sign_in_by_code()

    assert 'href="https://microsoft.com/devicelogin"' in microsoft.seen
    assert "ABCD-1234" in microsoft.seen
    assert "good until 12:30:00" in microsoft.seen
    assert microsoft.tenant == "fabrikam.com"
    assert form.workspace.given is None
    state = str([widget.get_state() for widget in all_widgets(form.widget)])
    assert "ABCD-1234" not in state
    assert TOKEN not in state + repr(form) + str(form._repr_mimebundle_())


def test_a_code_that_was_not_typed_in_time_goes_away_and_the_reason_stays() -> None:
    error = type("ClientAuthenticationError", (Exception,), {})("<b>expired</b>")
    form, _ = sign_in_by_code(error=error)

    assert "Entra ID did not sign in: &lt;b&gt;expired&lt;/b&gt;" in texts(form.widget)
    assert "ABCD-1234" not in texts(form.widget)
    assert form.workspace is None
    assert not form.button.disabled


def test_a_page_to_sign_in_at_is_a_link_only_when_it_is_one() -> None:
    _, microsoft = sign_in_by_code(address="javascript:alert(1)", code="<script>")

    assert "href" not in microsoft.seen
    assert "<script>" not in microsoft.seen


def test_the_credential_is_azure_identitys_own(monkeypatch) -> None:
    made = []
    monkeypatch.setattr("azure.identity.DeviceCodeCredential", lambda **given: made.append(given) or "credential")

    assert device_credential(print, "fabrikam.com") == device_credential(print) == "credential"
    assert made == [{"prompt_callback": print, "tenant_id": "fabrikam.com"}, {"prompt_callback": print}]


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
