"""The doctor: what is looked at, and what it says to do when something is wrong."""

from datetime import date

import pytest

from tunebook.catalogue import load_catalogue
from tunebook.doctor import examine
from tunebook.errors import ServiceError
from tunebook.service import connect

TODAY = date(2026, 6, 1)


def look(opened, today=TODAY):
    return {finding.subject: finding for finding in examine(opened, today)}


def test_a_healthy_set_up_is_all_ok(start):
    running = start()
    found = look(lambda: connect(running.endpoint, api_key=running.api_key, environ={}))
    assert {finding.state for finding in found.values()} == {"ok"}


def test_a_refused_key_says_where_to_find_the_right_one(service):
    found = look(lambda: connect(service.endpoint, api_key="wrong", environ={}))["service"]

    assert found.state == "wrong"
    assert found.told.startswith("The service refused the credentials (401")
    assert "Keys and Endpoint" in found.advice


def test_an_endpoint_that_does_not_answer_is_told():
    def nowhere():
        ws = connect("http://127.0.0.1:9", api_key="k", environ={})
        ws.client = ws.client.with_options(max_retries=0)
        return ws

    found = look(nowhere)["service"]

    assert found.told == "http://127.0.0.1:9 cannot be reached."
    assert "Keys and Endpoint" in found.advice


def test_a_kernel_of_another_environment_is_told(ws, monkeypatch):
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

    spec = KernelSpec(argv=["/opt/other/bin/python", "-m", "ipykernel_launcher"])
    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", lambda *_: spec)
    found = look(lambda: ws)["kernel"]

    assert found.state == "note"
    assert "/opt/other/bin/python" in found.told
    assert "ipykernel install" in found.advice


def test_without_a_kernel_the_command_that_adds_one_is_told(ws, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    def none(*_):
        raise NoSuchKernel("python3")

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", none)

    assert look(lambda: ws)["kernel"].advice.endswith("-m ipykernel install --sys-prefix")


def test_without_ipywidgets_the_command_that_installs_it_is_told(ws, monkeypatch):
    from importlib.metadata import PackageNotFoundError, version

    import tunebook.doctor

    def missing(name):
        if name == "ipywidgets":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(tunebook.doctor, "version", missing)
    found = look(lambda: ws)["widgets"]

    assert found.state == "wrong"
    assert found.advice.startswith("pip install ipywidgets in the environment that runs JupyterLab")


def test_a_mistaken_configuration_is_told_in_its_own_words():
    def mistaken():
        raise ServiceError("endpoint 'x': an address is needed")

    assert look(mistaken)["service"].told == "endpoint 'x': an address is needed"


@pytest.mark.parametrize(("days", "state"), [(180, "ok"), (181, "note")])
def test_an_old_catalogue_is_a_note(ws, days, state):
    today = date.fromordinal(load_catalogue().as_of.toordinal() + days)

    assert look(lambda: ws, today)["catalogue"].state == state
