"""Lineage from job objects typed in here, and of the embedded service."""

import pytest

from tunebook.errors import RequestError
from tunebook.experiments.stock.ancestry import lineage, trace

A, B, C, D = (f"ftjob-{letter * 32}" for letter in "abcd")
BASE = "gpt-4.1-nano-2025-04-14"


def job(job_id, model=BASE, status="succeeded", **more):
    made = {"fine_tuned_model": f"{BASE}.ft-{job_id[6:]}"} if status == "succeeded" else {}
    return {"id": job_id, "model": model, "status": status, "created_at": 1, "training_file": "file-1", **made, **more}


JOBS = [
    job(C, f"{BASE}.ft-{B[6:]}:ckpt-step-4", "running", created_at=30, validation_file="file-2"),
    job(B, f"{BASE}.ft-{A[6:]}", suffix="second", created_at=20),
    job(A, suffix="first", created_at=10),
    job(D, status="failed", created_at=40, training_file="file-gone"),
]
FILES = {"file-1": "train.jsonl", "file-2": "valid.jsonl"}


def test_each_job_stands_after_the_one_it_continued():
    found = trace(JOBS, files=FILES)

    assert [(each.job, each.parent, each.depth) for each in found.jobs] == [
        (A, None, 0),
        (B, A, 1),
        (C, B, 2),
        (D, None, 0),
    ]


def test_the_frame_names_data_model_and_deployments():
    frame = trace(JOBS, files=FILES, deployments={"live": f"{BASE}.ft-{A[6:]}:ckpt-step-2"}).frame

    row = frame.set_index("job").loc[A]
    assert (row["training_name"], row["model"], row["deployments"]) == ("train.jsonl", f"{BASE}.ft-{A[6:]}", ("live",))
    assert str(row["created_at"]) == "1970-01-01 00:00:10+00:00"


def test_the_tree_reads_in_a_terminal():
    text = repr(trace(JOBS, files=FILES, deployments={"live": f"{BASE}.ft-{A[6:]}"}))

    assert text.splitlines() == [
        BASE,
        f"├─ first, {A}: succeeded, from train.jsonl -> live",
        f"│  └─ second, {B}: succeeded, from train.jsonl",
        f"│     └─ {C}: running, from train.jsonl + valid.jsonl",
        f"└─ {D}: failed, from file-gone (deleted)",
    ]


def test_one_models_ancestors_and_descendants_alone():
    whole = trace(JOBS, files=FILES, deployments={"live": f"{BASE}.ft-{B[6:]}"})

    assert [each.job for each in whole.of("live").jobs] == [A, B, C]
    assert [each.job for each in whole.of(f"{BASE}.ft-{D[6:]}").jobs] == [D]
    with pytest.raises(RequestError, match="'nothing' is no job, model or deployment of this resource"):
        whole.of("nothing")


def test_a_model_made_elsewhere_is_a_root():
    found = trace([job(B, f"{BASE}.ft-{'9' * 32}")])

    assert (found.jobs[0].parent, found.jobs[0].depth) == (None, 0)
    assert repr(found).startswith(f"{BASE}.ft-{'9' * 32}\n")


def test_without_jobs_it_says_so():
    assert repr(trace([])) == "this resource has no fine-tuning jobs."
    assert "<table" not in trace([])._repr_html_()
    assert list(trace([]).frame) == list(trace(JOBS).frame)


def test_the_card_is_a_tree_of_all_jobs_and_what_became_of_them():
    live = {"live": f"{BASE}.ft-{A[6:]}", "test": f"{BASE}.ft-{A[6:]}:ckpt-step-2"}
    card = trace(JOBS, files=FILES, deployments=live)._card()

    base, *jobs = card.parts[0].rows
    assert str(base[0]) == BASE
    names = ["".join(map(str, row[0])).replace("\u00a0", " ") for row in jobs]
    assert names == [f"├─ first {A}", f"│  └─ second {B}", f"│     └─ {C}", f"└─ {D}"]
    assert [str(row[1]) for row in jobs] == [
        "✓ succeeded",
        "✓ succeeded",
        "… running, no model",
        "✕ failed, no model",
    ]
    assert "train.jsonl + valid.jsonl" in card.text()
    assert "live, test" in card.text()
    assert f"{BASE}.ft-{A[6:]}" in card.text()


def test_many_jobs_are_counted_not_shown():
    many = trace([job(f"ftjob-{n:032x}", created_at=n) for n in range(70)])

    assert "… and 11 more jobs." in many._card().text()


def test_the_card_escapes_names():
    evil = trace(
        [job(A, suffix="<script>")], files={"file-1": "<script>"}, deployments={"<script>": f"{BASE}.ft-{A[6:]}"}
    )

    html = evil._repr_html_()

    assert "<script>" not in html
    assert html.count("&lt;script&gt;") == 3


def test_the_lineage_of_a_resource(ws, tuned, pair):
    found = lineage(ws, pair[1])

    first = found.jobs[0]
    assert (first.job, first.training_file, first.training_name) == (tuned[0], tuned[1], "train.jsonl")
    assert pair[1] in first.deployments
