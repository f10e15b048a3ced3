"""No silent failure: what any callback raises is shown in the widget it belongs to, escaped, and never lost."""

from __future__ import annotations

import pytest

from tunebook.widgets.clicks import Clicks
from tunebook.widgets.connecting import EMBEDDED, ConnectForm
from tunebook.widgets.form.form import JobForm
from tunebook.widgets.live.cell import LiveCell
from tunebook.widgets.outputs import all_widgets
from tunebook.widgets.tables.job_board import Board

from .conftest import T0, at_once, picture, texts


def live_cell(workspace) -> LiveCell:
    cell = LiveCell(workspace, "ftjob-abc", clock=lambda: T0, spawn=at_once)
    cell.show_snapshot(picture(checkpoints=({"step_number": 3, "fine_tuned_model_checkpoint": "m:3"},)))
    cell.deployment_name.value = "support"
    return cell


def connect_form(_) -> ConnectForm:
    form = ConnectForm(environ={}, spawn=at_once)
    form.where.value = EMBEDDED
    return form


def job_form(workspace) -> JobForm:
    return JobForm(workspace, None, {"training": "file-1"}, spawn=at_once)


def board(workspace) -> Board:
    return Board((workspace,), clock=lambda: T0, spawn=at_once)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (live_cell, ("pause_button", "resume_button", "confirm_button", "deploy_now_button")),
        (job_form, ("create_button", "yes_button")),
        (connect_form, ("button",)),
        (board, ("compare_button",)),
    ],
)
def test_what_a_button_raises_is_shown(workspace, monkeypatch, make, names) -> None:
    def broken(*_):
        raise RuntimeError("no <b>luck</b>")

    for name in names:
        widget = make(workspace)
        monkeypatch.setattr(Clicks, "do", broken)

        getattr(widget, name).click()

        assert "RuntimeError: no &lt;b&gt;luck&lt;/b&gt;" in texts(widget.widget), name


@pytest.mark.parametrize("make", [live_cell, job_form, connect_form, board])
def test_every_control_has_words_for_those_who_cannot_see_it(workspace, make) -> None:
    controls = [w for w in all_widgets(make(workspace).widget) if hasattr(w, "description") and hasattr(w, "disabled")]

    assert controls
    assert [type(control).__name__ for control in controls if not control.description] == []
