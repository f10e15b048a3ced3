"""What the service refuses is short where a person reads it, and the SDK's own error for code that asks."""

import openai
import pytest
from IPython.core.interactiveshell import InteractiveShell

import tunebook as tb
from tunebook.service.clients import make_client


def test_a_refused_call_is_an_error_of_the_kit_and_of_the_sdk(ws):
    with pytest.raises(tb.TunebookError, match="does not find it") as raised:
        ws.jobs.retrieve("ftjob-none")

    assert isinstance(raised.value, openai.NotFoundError)
    assert raised.value.status_code == 404
    assert type(raised.value.__cause__) is openai.NotFoundError


def test_a_notebook_shows_the_sentence_and_the_persons_own_line(capsys):
    shell = InteractiveShell()
    shell.user_ns["client"] = make_client("http://127.0.0.1:9", "sesame", None).with_options(max_retries=0)

    shell.run_cell("client.fine_tuning.jobs.list()")

    shown = capsys.readouterr().out
    assert shown.startswith("APIConnectionError: http://127.0.0.1:9 cannot be reached.")
    assert "client.fine_tuning.jobs.list()" in shown
    assert "httpx" not in shown
    assert len(shown.splitlines()) < 10
