"""`connect_form`: resources opened by people who have no environment set. No field ever holds a key.

A value typed into a password widget is written in clear text into a notebook saved with its widget state, so a key
comes from an environment variable, named here, or is asked for with `getpass` in a cell: `ws = form.connect()`.
Signing in with a code needs no key: the form shows a code to type on a page of Microsoft's, and what comes back stays
in the memory of the kernel.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets

from tunebook import words
from tunebook.service.connection import device_credential
from tunebook.show import Card, Span, Table, Text, escape
from tunebook.widgets.clicks import Clicks, in_thread
from tunebook.widgets.outputs import name_of
from tunebook.widgets.panel import Panel
from tunebook.widgets.pieces import described, note, place, put, rendered, wrap

if TYPE_CHECKING:
    from tunebook.service import Workspace

EMBEDDED, AZURE = "the embedded service on this machine", "an Azure OpenAI or Foundry resource"
ENTRA, DEVICE = "Entra ID", "Entra ID, by a code in my browser"
VARIABLE, ASKED = "a key in an environment variable", "a key I type, once"


def connect_form(*, environ: Mapping[str, str] | None = None) -> ConnectForm:
    """A form to connect to resources, one after the other: `form.workspace` is the newest of `form.workspaces`.

    >>> form = tb.connect_form()  # shown as the last line of a cell; filled in, form.workspace is the resource
    >>> form.workspaces
    {}
    """
    return ConnectForm(environ=environ)


def full_endpoint(text: str) -> str:
    """The address a resource name or address means: `contoso` is `https://contoso.openai.azure.com`."""
    text = text.strip()
    return f"https://{text}.openai.azure.com" if text and all(c.isalnum() or c == "-" for c in text) else text


class ConnectForm(Panel):
    """Endpoint and way to sign in, as values; `workspaces` maps the names of what is connected to it."""

    _picture_alone_unattended = False

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        spawn: Callable[[Callable[[], None]], None] = in_thread,
        open_workspace: Callable[..., Workspace] | None = None,
        sign_in_by_code: Callable[..., Any] = device_credential,
    ) -> None:
        super().__init__()
        self.workspaces: dict[str, Workspace] = {}
        self.workspace: Workspace | None = None
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self._open, self._by_code = open_workspace, sign_in_by_code
        # widgets
        self.where = ipywidgets.Dropdown(description="connect to", options=[AZURE, EMBEDDED])
        self.endpoint = ipywidgets.Text(
            description="resource", placeholder="name, or https://….openai.azure.com", continuous_update=False
        )
        self.sign_in = ipywidgets.Dropdown(description="sign in with", options=[ENTRA, DEVICE, VARIABLE, ASKED])
        self.tenant = ipywidgets.Text(
            description="tenant", placeholder="id or domain; empty: your own", continuous_update=False
        )
        self.variable = ipywidgets.Text(description="variable", value="AZURE_OPENAI_API_KEY", continuous_update=False)
        self.button = ipywidgets.Button(
            description="Connect", tooltip="Open the resource and ask it for its newest job", button_style="primary"
        )
        self._title, self._advice = ipywidgets.HTML(), ipywidgets.HTML()
        self._code, self._message, self._list = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._title.value = wrap('<div class="tb-head"><span class="tb-title">Connect to a resource</span></div>')
        self._make_layout()
        self._clicks = Clicks(self._message, self._busy, spawn)
        for widget in self._fields:
            widget.observe(self._clicks.guard(lambda _: self.update()), "value")
        self.button.on_click(self._clicks.guard(lambda _: self._clicks.do("Connecting …", self._connect_clicked)))
        self.update()

    def _make_layout(self) -> None:
        for widget in self._fields:
            described(widget, "110px")
            place(widget, width="100%", max_width="470px", margin="1px 0")
        for html in (self._title, self._advice, self._code, self._list, self._message):
            place(html, margin="0", width="auto")
        # As far in as the fields are, with their labels before them.
        self._advice.layout.margin = "2px 0 2px 118px"
        place(self.button, width="170px", margin="4px 0 4px 118px")
        after = [self._advice, self.button, self._code, self._message, self._list]
        self._frame([self._title, *self._fields, *after], max_width="960px")

    @property
    def _fields(self) -> tuple[Any, ...]:
        return self.where, self.endpoint, self.sign_in, self.tenant, self.variable

    @property
    def advice(self) -> tuple[str, str]:
        """(what to know before connecting, what stands against it: "" nothing, "todo" or "bad" something)."""
        if self.where.value == EMBEDDED:
            return "Trains a small practice model on your file; nothing leaves this machine and nothing is billed.", ""
        if not self.endpoint.value.strip():
            return "The resource's address stands in the portal under Keys and Endpoint.", "todo"
        if self.sign_in.value == VARIABLE and not self._environ.get(self.variable.value.strip()):
            return f"{self.variable.value} is not set in this kernel. Set it before the kernel starts.", "bad"
        if self.sign_in.value == ASKED:
            call = f"ws = {name_of(self)}.connect()"
            return f"Keys are not typed into widgets. Run in a cell: {call}. It asks for the key.", "todo"
        if self.sign_in.value == DEVICE:
            return "Connect shows a code to type on a page of Microsoft's. The sign-in lasts as long as the kernel.", ""
        if self.sign_in.value == ENTRA:
            return "Uses the sign-in of the Azure CLI, VS Code, a managed identity, or the environment.", ""
        return f"The key in {self.variable.value} is read when connecting and shown nowhere.", ""

    def update(self) -> None:
        """Show what the choices mean, and whether they are enough."""
        azure = self.where.value == AZURE
        self.endpoint.layout.display = self.sign_in.layout.display = "" if azure else "none"
        self.variable.layout.display = "" if azure and self.sign_in.value == VARIABLE else "none"
        self.tenant.layout.display = "" if azure and self.sign_in.value == DEVICE else "none"
        text, against = self.advice
        self._advice.value = wrap(note(text, "bad" if against == "bad" else ""))
        self._clicks.clear()  # what was said is of the choices before
        if not self._clicks.active:
            self.button.disabled = bool(against)

    def _busy(self, active: bool) -> None:
        self.button.disabled = active or bool(self.advice[1])

    def connect(self, *, ask: Callable[[str], str] = getpass.getpass) -> Workspace:
        """Connect as chosen and return the workspace; asks for the key, unseen, when one is to be typed.

        Raises what `tunebook.connect` raises, and the SDK's error when the resource does not answer.
        """
        return self._connect(ask)

    def _connect_clicked(self) -> str:
        workspace = self._connect(None)
        return f"Connected to {workspace.name}. In the next cell: ws = {name_of(self)}.workspace"

    def _connect(self, ask: Callable[[str], str] | None) -> Workspace:
        from tunebook.service import connect

        open_workspace = self._open or connect
        if self.where.value == EMBEDDED:
            workspace = open_workspace("local")
        else:
            endpoint = full_endpoint(self.endpoint.value)
            key = credential = None
            if self.sign_in.value == VARIABLE:
                key = self._environ.get(self.variable.value.strip())
            elif self.sign_in.value == ASKED and ask is not None:
                key = ask(f"key of {endpoint}: ")
            elif self.sign_in.value == DEVICE:
                credential = self._by_code(self._show_code, self.tenant.value.strip())
            # The environment's own key must not stand in for the sign-in that was chosen.
            workspace = open_workspace(endpoint, api_key=key, credential=credential, environ={})
        try:
            workspace.jobs.list(limit=1)  # a wrong key or address is said now, not at the first job
        finally:
            self._code.value = ""  # of no more use, whether it was typed or not
        self.workspace = self.workspaces[workspace.name] = workspace
        self._show_list()
        return workspace

    def _show_code(self, address: str, code: str, expires: Any) -> None:
        """Show what to type where; called, on the connecting thread, by the credential that then waits for it."""
        until = f" It is good until {words.clock(expires.timestamp())}." if hasattr(expires, "timestamp") else ""
        self._code.value = wrap(
            f'<div class="tb-notice tb-warning" role="status">Open {Span(address, href=address).html()} and type this '
            f'code:<div class="tb-code-to-type">{escape(code)}</div>'
            f"Then sign in there; this form goes on by itself.{until}</div>"
        )

    def _show_list(self) -> None:
        put(self._list, rendered(self._connected))
        self._keep()

    @property
    def _connected(self) -> Table | None:
        rows = [(name, w.kind, Span(w.endpoint, "code")) for name, w in self.workspaces.items()]
        return Table(("name", "what", "address"), rows, "Connected") if rows else None

    # ---- display

    def _static(self) -> tuple[Card, str]:
        sentence = "Connect form. Run the cell again to connect."
        names = ", ".join(f"{name} ({w.endpoint})" for name, w in self.workspaces.items()) or "nothing yet"
        return Card(Text(sentence), self._connected), f"{sentence} Connected: {names}."

    def __repr__(self) -> str:
        return f"<ConnectForm: {', '.join(self.workspaces) or 'nothing connected'}>"
