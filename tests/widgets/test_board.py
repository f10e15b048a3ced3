"""The board: rows, filters, sorting, picking, and what one bad job may not spoil."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tunebook.catalogue import load_catalogue
from tunebook.errors import ServiceError
from tunebook.widgets.tables import board_view
from tunebook.widgets.tables.board_feed import Entry
from tunebook.widgets.tables.job_board import Board

from .conftest import T0, at_once, picture, texts


def row_of(**changes) -> board_view.Row:
    job = {"suffix": changes.pop("name", "a"), "created_at": changes.pop("created_at", T0)}
    snapshot = picture(changes.pop("status", "running"), job_id=changes.pop("job_id", "ftjob-1"), job=job)
    made = board_view.row_of(snapshot, resource="contoso", catalogue=load_catalogue())
    return replace(made, **changes)


ROWS = [
    row_of(job_id="ftjob-1", name="tickets", loss=0.5, status="running", created_at=T0 + 1),
    row_of(job_id="ftjob-2", name="tone", loss=math.nan, status="pending", created_at=T0 + 3),
    row_of(job_id="ftjob-3", name="Ticket-2", loss=0.2, status="succeeded", created_at=T0 + 2),
]


def ids(rows) -> list[str]:
    return [row.job_id[-1] for row in rows]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "231"),
        ({"turn": True}, "132"),
        ({"sort": "validation loss"}, "312"),
        ({"sort": "validation loss", "turn": True}, "132"),
        ({"sort": "name"}, "312"),
        ({"find": "ticket"}, "31"),
        ({"find": "ticket running"}, ""),
        ({"find": "contoso TONE"}, "2"),
        ({"show": board_view.GOING}, "21"),
        ({"show": "succeeded"}, "3"),
    ],
)
def test_rows_are_filtered_and_sorted_and_unknown_values_come_last(asked, expected) -> None:
    assert "".join(ids(board_view.arrange(ROWS, **asked))) == expected


def test_everything_from_outside_is_escaped() -> None:
    evil = "<script>x</script>\"'"
    row = row_of(name=evil, job_id=evil, model=evil, resource=evil, problem=evil, settings=evil, reason=evil)

    html = board_view.table([row], total=1, now=T0, several=True).html()

    assert "<script" not in html


def test_cost_is_tokens_times_the_catalogues_price_and_a_dash_when_unknown() -> None:
    catalogue = load_catalogue()
    priced = catalogue.prices[0]
    known = picture("succeeded", job={"model": priced.model, "trained_tokens": 1_000_000,
                                      "trainingType": priced.training_type})  # fmt: skip
    unknown = picture("succeeded", job={"model": "mystery", "trained_tokens": 1_000_000})

    first = board_view.row_of(known, resource="r", catalogue=catalogue)
    second = board_view.row_of(unknown, resource="r", catalogue=catalogue)

    assert first.cost_usd == priced.usd_per_million_tokens
    assert math.isnan(second.cost_usd)


@pytest.fixture
def board(workspace) -> Board:
    made = Board((workspace,), clock=lambda: T0 + 200.0, spawn=at_once)
    entries = {
        f"ftjob-{i}": Entry(picture("succeeded", steps=30, job_id=f"ftjob-{i}", job={"suffix": f"s{i}"}), complete=True)
        for i in range(3)
    }
    made.receive(workspace, entries)
    return made


def test_typing_in_find_narrows_the_table(board) -> None:
    board.find.value = "s1"

    assert "1 of 3 jobs" in texts(board.widget)
    assert ids(board.rows) == ["1"]


def test_a_board_without_jobs_says_how_to_make_one_and_offers_no_comparison(workspace) -> None:
    empty = Board((workspace,), clock=lambda: T0, spawn=at_once)
    empty.receive(workspace, {})

    assert "tb.job_form(ws) makes the first one" in texts(empty.widget)
    assert empty._picking.layout.display == "none"


def test_a_list_that_cannot_be_read_is_not_an_empty_one(workspace) -> None:
    board = Board((workspace,), clock=lambda: T0, spawn=at_once)
    board._failed(ServiceError("The service refused the credentials (401)."))

    assert "could not be read. The service refused the credentials (401)." in texts(board.widget)
    assert "No jobs here yet" not in texts(board.widget)


def test_picked_jobs_are_overlaid_and_stay_picked_when_the_table_is_read_again(board, workspace) -> None:
    board.grid.picked = [row.key for row in board.rows][:2]
    before = board.picked

    entries = {job_id.split()[-1]: entry for job_id, (_, entry) in board._entries.items()}
    board.receive(workspace, entries | {"ftjob-9": Entry(picture("pending", steps=0, job_id="ftjob-9"))})

    assert board.picked == before
    assert "Overlaid curves" in texts(board.widget)


def test_picked_jobs_are_ranked(board) -> None:
    board.grid.picked = [row.key for row in board.rows]

    board.compare_button.click()

    assert board.comparison.sentence
    assert "board.comparison" in texts(board.widget)


def test_a_board_of_several_resources_names_the_resource_in_each_row(workspace) -> None:
    other = type(workspace)()
    other.name = "fabrikam"
    both = Board((workspace, other), clock=lambda: T0 + 200.0, spawn=at_once)
    both.receive(workspace, {"ftjob-1": Entry(picture(job_id="ftjob-1"))})
    both.receive(other, {"ftjob-1": Entry(picture(job_id="ftjob-1"))})

    assert {row.resource for row in both.rows} == {"contoso", "fabrikam"}
    both.draw()
    assert "> fabrikam<" in texts(both.widget)


def test_a_job_gone_from_the_service_leaves_the_table(board, workspace) -> None:
    board.receive(workspace, {"ftjob-0": next(iter(board._entries.values()))[1]})

    assert len(board.rows) == 1


def test_an_exception_in_a_callback_is_shown(board, monkeypatch) -> None:
    def broken(*_, **__):
        raise RuntimeError("cannot <draw>")

    monkeypatch.setattr(board_view, "table", broken)

    board.find.value = "x"

    assert "RuntimeError: cannot &lt;draw&gt;" in texts(board.widget)


def test_only_a_changed_job_makes_a_new_row(board, workspace) -> None:
    made = {key: row for key, (_, row) in board._rows.items()}

    changed = Entry(picture("succeeded", steps=12, job_id="ftjob-1"), complete=True)
    entries = {key.split()[-1]: entry for key, (_, entry) in board._entries.items()}
    board.receive(workspace, entries | {"ftjob-1": changed})

    kept = [key for key, (_, row) in board._rows.items() if row is made[key]]
    assert kept == ["contoso ftjob-0", "contoso ftjob-2"]
