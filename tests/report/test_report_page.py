"""The page itself: escaped, self-contained, readable without seeing it, small and quick."""

import json
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from tunebook.analysis.results import Results
from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import compare
from tunebook.errors import RequestError, TunebookError
from tunebook.report import write_report
from tunebook.report.building import build_report
from tunebook.report.figures import figures_of
from tunebook.report.markdown import to_markdown
from tunebook.report.page import neat, to_html
from tunebook.report.printing import find_chromium

MADE = datetime(2026, 11, 23, tzinfo=UTC)
EVIL = "<script>alert('x')</script>"
EVALUATION = {
    "sentence": f"Better {EVIL}",
    "score": EVIL,
    "n": 40,
    "scores": [{"model": EVIL, "value": 0.4, "low": 0.3, "high": 0.5}, {"model": "tuned", "value": 0.8}],
    "gain": 0.4,
    "gain_low": 0.2,
    "gain_high": 0.6,
    "p": 0.001,
    "better": [{"prompt": EVIL, "expected": EVIL, "base": EVIL, "tuned": EVIL}],
    "worse": [{"prompt": "`a` | *b*\n# c", "expected": "", "base": "x", "tuned": "y"}],
}


class Elements(HTMLParser):
    """Start tags in order with their attributes, and whether every one is closed where it should be."""

    VOID = ("meta", "br", "img", "link", "hr", "input")

    def __init__(self, page):
        super().__init__()
        self.found, self.open, self.wrong = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def all(self, *tags):
        return [(tag, attrs) for tag, attrs in self.found if tag in tags]


@pytest.fixture(scope="module")
def figures(comparison):
    return figures_of(comparison)


@pytest.fixture(scope="module")
def page(comparison, figures):
    return to_html(build_report(comparison, made=MADE, evaluation={**EVALUATION, "score": "exact match"}), figures)


@pytest.fixture(scope="module")
def elements(page):
    return Elements(page)


@pytest.fixture(scope="module")
def hostile(make_run):
    """Runs in which every text from outside is a script or close to one."""
    runs = []
    for number in range(3):
        job = {"suffix": f"{EVIL}{number}", "model": EVIL, "training_file": EVIL, "validation_file": f"$x_{{{EVIL}"}
        run = make_run(number, id=f"{EVIL}&{number}", **job)
        events = ({"level": "error", "message": EVIL, "created_at": EVIL},)
        results = Results(run.results.frame, (EVIL,), EVIL)
        kept = tuple({**checkpoint, "fine_tuned_model_checkpoint": EVIL} for checkpoint in run.checkpoints)
        runs.append(Run({**run.job, "trainingType": EVIL}, results, kept, events))
    runs.append(make_run(9, id=EVIL, status="failed", error={"message": EVIL}))
    return compare(runs)


def test_no_foreign_text_becomes_markup_in_the_page(hostile):
    report = build_report(hostile, made=MADE, title=EVIL, evaluation=EVALUATION)
    page = to_html(report, figures_of(hostile))

    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10


def test_no_foreign_text_becomes_markup_in_markdown(hostile):
    report = build_report(hostile, made=MADE, title=EVIL, evaluation=EVALUATION)
    text = to_markdown(report, figures_of(hostile), folder="a b_files")

    outside_code = re.sub(r"(?<!\\)`[^`\n]*`", "", text)
    assert re.findall(r"(?<!\\)<script", outside_code) == []
    assert r"\`a\` \| \*b\* \# c" in text
    assert "a%20b_files/" in text


def test_every_element_is_closed_and_every_id_is_used_once(elements):
    ids = Counter(attrs["id"] for _, attrs in elements.found if "id" in attrs)

    assert elements.wrong == []
    assert elements.open == []
    assert [name for name, times in ids.items() if times > 1] == []


def test_links_within_the_page_lead_somewhere(page, elements):
    ids = {attrs["id"] for _, attrs in elements.found if "id" in attrs}
    targets = set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", page))

    assert targets <= ids


def test_the_page_loads_nothing_and_runs_nothing(page, elements):
    outside = [
        value
        for tag, attrs in elements.found
        for name, value in attrs.items()
        if name in ("src", "href", "xlink:href", "action") and not value.startswith(("#", "data:"))
    ]

    assert outside == []
    assert elements.all("script", "link", "iframe", "object") == []
    assert [name for _, attrs in elements.found for name in attrs if name.startswith("on")] == []
    assert "default-src 'none'" in page


def test_every_table_has_a_caption_and_every_header_a_scope(elements):
    assert len(elements.all("table")) == len(elements.all("caption")) > 3
    assert {attrs.get("scope") for _, attrs in elements.all("th")} == {"col", "row"}


def test_every_figure_is_an_image_with_a_description_made_from_its_numbers(elements):
    figures = [attrs for _, attrs in elements.all("svg") if attrs.get("role") == "img"]
    silent = [
        attrs for _, attrs in elements.all("svg") if attrs.get("role") != "img" and attrs.get("aria-hidden") != "true"
    ]

    assert len(figures) == 5  # the winner's curve, all jobs, three others
    assert all(re.search(r"\d", attrs["aria-label"]) for attrs in figures)
    assert silent == []


def test_headings_come_in_order_without_gaps(elements):
    levels = [int(tag[1]) for tag, _ in elements.all("h1", "h2", "h3", "h4")]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_state_is_said_in_words(page):
    assert "<b>Overfitting</b>" in page
    assert "<b>Healthy</b>" in page


def test_figures_take_their_ink_from_the_page(figures):
    drawn = figures.winner.inline()

    assert 'stroke="var(--valid,#d55e00)"' in drawn
    assert 'fill="currentColor"' in drawn


def test_a_figure_as_a_file_stands_alone(figures):
    text = figures.sweep.file()

    assert text.startswith("<?xml")
    assert "prefers-color-scheme:dark" in text
    assert "var(" not in text
    ElementTree.fromstring(text.encode())  # noqa: S314 - made above


def test_figures_are_described_by_their_jobs_and_numbers(figures):
    assert figures.winner.chart.alt.startswith("Line chart of try-1. Loss (nats per token) over 120 steps.")
    assert figures.sweep.chart.alt.endswith("Recommended is try-1.")


def test_the_same_runs_give_the_same_page(comparison, page):
    report = build_report(comparison, made=MADE, evaluation={**EVALUATION, "score": "exact match"})

    assert to_html(report, figures_of(comparison)) == page


def test_a_report_of_nothing_is_a_page_too():
    comparison = compare([])
    page = to_html(build_report(comparison, made=MADE), figures_of(comparison))

    assert "No model can be recommended yet." in page
    assert Elements(page).wrong == []


def test_only_so_many_curves_are_drawn_and_the_rest_is_counted(comparison):
    figures = figures_of(comparison, most_curves=2)

    assert len(figures.jobs) == 1
    assert figures.not_drawn == ("Only the first 2 of 4 curves are drawn, best first.",)


def test_html_is_written_whole_from_runs_and_from_a_sweep(runs, tmp_path):
    runs = runs[:1]
    sweep = type("Sweep", (), {"runs": lambda _: runs})()
    one = write_report(runs, tmp_path / "one.html", made=MADE)
    two = write_report(sweep, tmp_path / "two.html", made=MADE)

    assert one.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert one.read_bytes() == two.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one.html", "two.html"]


def test_a_report_is_made_from_a_folder_of_runs(make_run, tmp_path):
    run = make_run(1)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "job.json").write_text(json.dumps(run.job))
    run.results.frame.to_csv(tmp_path / "runs" / "one" / "results.csv", index=False)
    page = write_report(tmp_path / "runs", tmp_path / "report.html").read_text("utf-8")

    assert "of try-1.</h2>" in page


def test_a_notebook_shows_the_written_report_as_a_link(comparison, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    path = write_report(comparison, "a <script> & b.html", made=MADE)

    shown = path._repr_html_()
    assert 'href="a%20%3Cscript%3E%20%26%20b.html"' in shown
    assert "<script>" not in shown
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_report_is_written_without_matplotlib(make_run, tmp_path):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    run = make_run(1)
    (tmp_path / "runs" / "one" / "job.json").write_text(json.dumps(run.job))
    run.results.frame.to_csv(tmp_path / "runs" / "one" / "results.csv", index=False)
    script = (
        "import sys; sys.modules['matplotlib'] = None; import tunebook; tunebook.write_report('runs', 'report.html')"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)

    assert "<polyline" in (tmp_path / "report.html").read_text("utf-8")


def test_markdown_lies_beside_its_figures(comparison, tmp_path):
    path = write_report(comparison, tmp_path / "report.md", made=MADE)
    linked = re.findall(r"\]\((report_files/[^)]+)\)", path.read_text("utf-8"))

    assert len(linked) == 5
    assert all((tmp_path / link).is_file() for link in linked)


def test_a_path_with_another_ending_is_refused_before_anything_is_drawn(tmp_path):
    with pytest.raises(RequestError, match=r"report\.docx: a report is written as \.html"):
        write_report([], tmp_path / "report.docx")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RequestError, match="lies in one that does not exist"):
        write_report([], tmp_path / "gone" / "report.html")


def test_what_is_not_a_run_is_named(tmp_path):
    with pytest.raises(RequestError, match=r"not from str.*job\.run\(\)"):
        write_report(["ftjob-1"], tmp_path / "report.html")


def test_without_a_browser_the_pdf_is_refused_with_a_way_out(comparison, tmp_path):
    with pytest.raises(TunebookError, match=r"no browser is there.*write the report as \.html"):
        write_report(comparison, tmp_path / "report.pdf", chromium=tmp_path / "chromium")

    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_prints_nothing_is_reported_with_its_words(tmp_path):
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\necho cannot open display >&2\nexit 1\n")
    mute.chmod(0o755)

    with pytest.raises(TunebookError, match="did not print the PDF: cannot open display"):
        write_report([], tmp_path / "report.pdf", chromium=mute)


@pytest.mark.browser
def test_the_pdf_is_printed(runs, tmp_path):
    try:
        find_chromium()
    except TunebookError as error:
        pytest.skip(str(error))
    path = write_report(runs[:2], tmp_path / "report.pdf", made=MADE)

    assert path.read_bytes().startswith(b"%PDF")


def test_sentences_keep_numbers_with_their_units_and_leave_model_names_alone():
    text = neat("61% at step 3, n_epochs = 2, until 2027-04-14: gpt-4.1-2025-04-14")

    assert text == ("61\u00a0% at step\u00a03, n_epochs\u00a0=\u00a02, until 2027\u201104\u201114: gpt-4.1-2025-04-14")


def test_in_a_notebook_a_report_is_its_answer_and_its_tables_stand_alone(make_run):
    from tunebook.report import summarise

    report = summarise([make_run(0, suffix="<script>alert(1)</script>"), make_run(1, low=0.3)], title="T")
    shown = report._repr_html_() + "".join(table._repr_html_() for table in report.provenance)

    assert "<script" not in shown
    assert ">Deploy the " in shown
    assert shown.count("<caption") == len(report.provenance)
    assert 'scope="row"' in shown
    assert repr(report).startswith("Deploy")
