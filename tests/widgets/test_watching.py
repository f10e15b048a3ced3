"""`watch` where nobody can click: printed lines, Ctrl-C, and how the place it runs in is found out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tunebook.errors import RequestError
from tunebook.widgets import watch
from tunebook.widgets.outputs import mode

from .conftest import FakeJob, FakeWorkspace, picture, script

DONE = picture("succeeded", steps=30)


def test_in_a_script_it_blocks_and_prints_a_line_only_when_something_changed(workspace) -> None:
    lines = []
    follow = script(picture("pending", steps=0), picture(steps=3), picture(steps=4), picture(steps=16), DONE)

    seen = watch("ftjob-abc", workspace, say=lines.append, follow=follow)

    assert lines[0] == "ftjob-abc at contoso"
    assert [line.split(" ", 1)[1].split(",")[0] for line in lines[1:]] == ["pending", "running", "running", "succeeded"]
    assert seen.snapshot.status == "succeeded"
    assert repr(seen).startswith("ftjob-abc at contoso")


def test_ctrl_c_stops_the_watching_and_asks_nothing_of_the_service(workspace) -> None:
    lines = []

    seen = watch("ftjob-abc", workspace, say=lines.append, follow=script(picture(), KeyboardInterrupt()))

    assert lines[-1] == "Stopped watching; ftjob-abc goes on. tb.watch('ftjob-abc') watches it again."
    assert seen.snapshot.status == "running"
    assert workspace.calls == []


def test_a_job_brings_its_own_workspace(workspace) -> None:
    seen = watch(FakeJob(workspace, "ftjob-abc", "running"), say=lambda _: None, follow=script(DONE))

    assert seen.snapshot is DONE


def test_the_picture_left_behind_is_html_and_text(workspace) -> None:
    bundle = watch("ftjob-abc", workspace, say=lambda _: None, follow=script(DONE))._repr_mimebundle_()

    assert "Succeeded" in bundle["text/html"]
    assert "Succeeded" in bundle["text/plain"]
    assert "<img" in bundle["text/html"]


def test_in_the_background_the_caller_is_not_held(workspace) -> None:
    cell = watch("ftjob-abc", workspace, background=True, follow=script(DONE))

    assert cell.ended.wait(10)
    cell.close()


def shell_with(content, cls="ZMQInteractiveShell", module="ipykernel.zmqshell"):
    kernel = SimpleNamespace(get_parent=lambda: {"content": content})
    return type(cls, (), {"kernel": kernel, "__module__": module})()


@pytest.mark.parametrize(
    ("shell", "environ", "expected"),
    [
        (None, {}, "script"),
        (SimpleNamespace(), {}, "script"),
        (shell_with({"allow_stdin": True}), {}, "notebook"),
        (shell_with({"allow_stdin": False}), {}, "batch"),
        (shell_with({"allow_stdin": False}), {"VOILA_BASE_URL": "/"}, "notebook"),
        (shell_with({"allow_stdin": False}, "Shell", "google.colab._shell"), {}, "notebook"),
        (shell_with({}), {}, "notebook"),
    ],
)
def test_the_place_is_told_by_whether_anyone_could_answer(shell, environ, expected) -> None:
    assert mode(shell or SimpleNamespace(), environ) == expected


def test_a_workspace_is_named_in_what_is_shown() -> None:
    workspace = FakeWorkspace()
    workspace.name = "fabrikam-eastus2"
    lines = []

    watch("ftjob-abc", workspace, say=lines.append, follow=script(DONE))

    assert "fabrikam-eastus2" in lines[0]


@pytest.mark.parametrize(
    ("asked", "said"), [("ftjob-none", "There is no job 'ftjob-none'"), ("", "Which job?"), (None, "Which job?")]
)
@pytest.mark.usefixtures("tuned")
def test_a_job_that_is_not_there_is_told_with_those_that_are(ws, asked, said):
    with pytest.raises(RequestError, match="The newest there: ftjob-") as raised:
        watch(asked, ws)

    assert str(raised.value).startswith(said)
    assert raised.value.args[0].count("ftjob-") >= min(3, len(ws.jobs.list()))


def test_the_end_of_a_watched_job_is_told(workspace) -> None:
    told = []
    follow = script(picture("running", steps=3), DONE)

    watch("ftjob-abc", workspace, say=lambda _: None, notify=told.append, follow=follow)

    assert told == [DONE]
