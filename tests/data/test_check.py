"""The report card: what a check of a whole file says, counts and shows."""

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tunebook as tb
from tunebook.data import checking
from tunebook.data.lines import MemoryLines
from tunebook.data.rules.files import job_size_problem
from tunebook.data.rules.gate import check_lines


def chat(asked, said, system="Be brief."):
    told = [{"role": "system", "content": system}] if system else []
    return {"messages": [*told, {"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def many(count, **options):
    return [chat(f"What is {n} + {n}?", f"It is {2 * n}.", **options) for n in range(count)]


def rules(report):
    return [(p.line, p.rule, p.severity) for p in report.problems]


def test_sixty_good_examples_are_ready_and_nothing_is_said():
    report = tb.read_dataset(many(60)).check()

    assert report.ok
    assert report.problems == ()
    assert (report.examples, report.sentence) == (60, "Ready to train on: no errors, no warnings.")


def test_exactly_ten_are_accepted_with_a_note():
    assert rules(tb.read_dataset(many(10)).check()) == [(None, "few-examples", "note")]
    assert rules(tb.read_dataset(many(9)).check()) == [(None, "too-few-examples", "error")]


def test_a_validation_file_has_no_minimum():
    assert rules(tb.read_dataset(many(3)).check(min_examples=0)) == []


def test_repeats_and_contradictions_name_the_line_they_repeat():
    report = tb.read_dataset([*many(50), chat("What is 3 + 3?", "It is 6."), chat("What is 4 + 4?", "Nine.")]).check()

    assert rules(report) == [(51, "duplicate-example", "warning"), (52, "conflicting-answers", "warning")]
    assert [p.value for p in report.problems] == ["line 4", "line 5"]


def test_the_same_question_under_another_system_message_is_no_contradiction():
    other = [chat(e["messages"][1]["content"], "I see.", system=f"Role {n % 2}.") for n, e in enumerate(many(50))]

    assert rules(tb.read_dataset([*many(50, system="Be kind."), *other]).check()) == [
        (None, "repeated-answer", "warning"),
        (None, "system-differs", "note"),
    ]


def test_conversations_of_several_turns_and_tools_are_compared_too():
    turns = {
        "messages": [
            *many(1)[0]["messages"],
            {"role": "user", "content": "And?"},
            {"role": "assistant", "content": "!"},
        ]
    }
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tool = {"messages": [{"role": "user", "content": "Go."}, {"role": "assistant", "tool_calls": [call]}]}

    report = tb.read_dataset([*many(50, system=None), turns, tool, turns, tool]).check()

    assert [r for r in rules(report) if r[1] == "duplicate-example"] == [
        (53, "duplicate-example", "warning"),
        (54, "duplicate-example", "warning"),
    ]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["yes"] * 57 + ["no"] * 3, ("imbalanced-answers", "warning")),
        (["yes"] * 40 + ["no"] * 20, None),
        (["I cannot help with that."] * 6 + [f"Answer {n}." for n in range(54)], ("repeated-answer", "note")),
        (["I cannot help with that."] * 20 + [f"Answer {n}." for n in range(40)], ("repeated-answer", "warning")),
        (["Hm."] * 2 + [f"Answer {n}." for n in range(58)], None),
    ],
)
def test_answers_that_repeat_are_judged_by_whether_they_are_labels(answers, expected):
    report = tb.read_dataset([chat(f"Question {n}?", answer) for n, answer in enumerate(answers)]).check()

    assert [(p.rule, p.severity) for p in report.problems] == ([expected] if expected else [])


def test_system_messages_that_differ_or_are_missing_are_told_apart():
    slip = [*many(59), chat("Odd?", "Odd.", system="Be brif.")]
    some = [*many(30), *[chat(f"Q{n}", f"A{n}", system=None) for n in range(30)]]

    assert rules(tb.read_dataset(slip).check()) == [(60, "system-differs", "warning")]
    assert rules(tb.read_dataset(some).check()) == [(None, "system-missing", "warning")]


def test_findings_are_counted_all_and_kept_twenty_of_a_kind():
    bad = [{"messages": [{"role": "user", "content": f"{n}?"}]} for n in range(50)]

    report = tb.read_dataset([*many(50, system=None), *bad], method="supervised").check()

    assert report.counts == {"no-assistant": 50}
    assert len(report.errors) == 20
    assert report.to_json()["errors"] == 50
    assert len(tb.read_dataset(bad, method="supervised").check(keep=1_000).errors) == 50


def test_the_json_holds_what_pipelines_ask_for():
    data = tb.read_dataset(many(9), name="nine").check().to_json()

    json.dumps(data)
    assert (data["examples"], data["errors"], data["warnings"], data["ok"]) == (9, 1, 0, False)
    assert data["tokens"] == sum(tb.read_dataset(many(9)).count_tokens())
    assert set(data["problems"][0]) == {"line", "path", "rule", "severity", "value", "message", "fix"}


def test_the_method_is_found_out_from_the_records():
    pair = {"input": many(1)[0], "preferred_output": [], "non_preferred_output": []}
    question = {"messages": [{"role": "user", "content": "?"}], "reference": "!"}

    assert tb.read_dataset(many(3)).method == "supervised"
    assert tb.read_dataset([pair]).method == "dpo"
    assert tb.read_dataset([question] * 3).method == "reinforcement"
    assert tb.read_dataset([question, *many(2)]).method == "supervised"


def test_questions_with_nothing_for_a_grader_are_conversations_whose_answers_were_lost():
    asked = tb.read_dataset([{"messages": [{"role": "user", "content": f"{n}?"}]} for n in range(12)])

    assert asked.method == "supervised"
    assert {p.rule for p in asked.check().errors} == {"no-assistant"}
    assert tb.read_dataset(list(asked), method="reinforcement").check().ok


def test_records_of_another_schema_are_not_called_repeats_of_one_another():
    rows = [{"prompt": f"{n}?", "completion": f"{n}!"} for n in range(12)]

    assert {p.rule for p in tb.read_dataset(rows).check().problems} == {"prompt-completion", "few-examples"}
    assert "duplicate-example" in {p.rule for p in tb.read_dataset([*rows, rows[3]]).check().problems}


def test_reinforcement_items_must_be_in_every_example():
    ask = [{"messages": [{"role": "user", "content": f"{n}?"}], "reference": n} for n in range(60)]
    del ask[7]["reference"]

    assert rules(tb.read_dataset(ask).check()) == [
        (None, "validation-needed", "note"),
        (None, "item-missing", "warning"),
    ]


def test_a_model_is_asked_what_it_takes():
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    seen = [
        {"messages": [{"role": "user", "content": [picture, {"type": "text", "text": f"{n}?"}]}]} for n in range(60)
    ]
    for n, example in enumerate(seen):
        example["messages"].append({"role": "assistant", "content": f"It is {n}."})

    assert [r[1] for r in rules(tb.read_dataset(seen).check("gpt-4.1-mini"))] == ["model-images", "image-screening"]
    assert [r[1] for r in rules(tb.read_dataset(many(60)).check("o4-mini"))] == ["model-method"]
    assert [r[1] for r in rules(tb.read_dataset(many(60)).check("gpt-9"))] == ["model-unknown"]


def test_a_job_above_the_limit_of_tokens_is_refused():
    assert job_size_problem(1_000_000_001, 2).rule == "job-too-large"
    assert job_size_problem(1_000_000_000, 2) is None


def test_a_file_too_large_for_one_upload_is_refused_and_a_large_one_noted(tmp_path, monkeypatch):
    size = tb.read_dataset(many(60)).write(tmp_path / "a.jsonl").stat().st_size
    for most, advised, expected in (
        (size, size, [(None, "file-too-large", "error")]),
        (size + 1, size - 1, [(None, "large-file", "note")]),
        (size + 1, size, []),
    ):
        own = tmp_path / f"{most}-{advised}.toml"  # the catalogue remembers a file it has read
        monkeypatch.setenv("TUNEBOOK_CATALOGUE", str(own))
        rest = 'unit = "bytes", source = "howto", dated = 2026-11-01'
        own.write_text(
            f"[limits]\nupload_bytes = {{ value = {most}, {rest} }}\n"
            f"chunked_upload_advised_bytes = {{ value = {advised}, {rest} }}\n"
        )
        assert rules(tb.read_dataset(tmp_path / "a.jsonl").check()) == expected


def test_blank_lines_between_examples_are_noted_and_those_at_the_end_are_not(tmp_path):
    lines = [json.dumps(e) for e in many(60)]
    path = tmp_path / "f.jsonl"
    path.write_text("\n".join([*lines[:5], "", " ", *lines[5:], "", "", ""]), "utf-8")

    report = tb.read_dataset(path).check()

    assert rules(report) == [(6, "blank-line", "note")]
    assert report.counts == {"blank-line": 2}


def test_a_file_of_nothing_but_bad_lines_is_not_looked_through_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "HOPELESS", 100)
    monkeypatch.setattr("tunebook.data.lines.read_blocks.__kwdefaults__", {"block": 1_000, "longest": 10_000})
    path = tmp_path / "table.jsonl"
    path.write_text("name,age\n" * 5_000, "utf-8")

    report = tb.read_dataset(path).check()

    assert report.counts["stopped"] == 1
    assert 100 <= report.counts["not-json"] < 1_000
    assert not report.ok


def test_line_numbers_hold_across_the_blocks_a_file_is_read_in(tmp_path, monkeypatch):
    monkeypatch.setattr("tunebook.data.lines.read_blocks.__kwdefaults__", {"block": 97, "longest": 10_000})
    lines = [json.dumps(e) for e in many(60)]
    lines[40] = lines[40][:-1]
    lines[50] = lines[3]
    path = tmp_path / "f.jsonl"
    path.write_text("\n".join(lines), "utf-8")

    ds = tb.read_dataset(path)

    assert [(p.line, p.rule) for p in ds.check().problems] == [(41, "truncated"), (51, "duplicate-example")]
    assert ds[50] == json.loads(lines[51])
    assert ds.numbers[40] == 42


def test_progress_is_told_in_bytes(tmp_path):
    path = tb.read_dataset(many(60)).write(tmp_path / "f.jsonl", bom=False)
    told = []

    tb.read_dataset(path).check(progress=lambda done, size: told.append((done, size)))

    assert told[-1] == (path.stat().st_size, path.stat().st_size)


def test_a_large_file_is_estimated_at_once_and_counted_on_request(tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "LARGE", 10_000)
    monkeypatch.setattr(checking, "SAMPLED", 200)
    path = tb.read_dataset(
        [chat(f"Tell {n}. " + "word " * (n % 40), "Told. " * (n % 7)) for n in range(1, 1_500)]
    ).write(tmp_path / "large.jsonl")
    ds = tb.read_dataset(path)

    quick, exact = ds.check(), ds.check(tokens="exact")

    low, high = quick.summary.interval
    assert not quick.summary.exact
    assert low < exact.tokens < high
    assert high - low < 0.1 * exact.tokens
    assert exact.tokens == sum(ds.count_tokens())
    assert ds.check(tokens="none").summary is None


def test_examples_of_a_large_file_are_decoded_on_demand(tmp_path, monkeypatch):
    monkeypatch.setattr("tunebook.data.examples.LARGE", 100)
    ds = tb.read_dataset(tb.read_dataset(many(60)).write(tmp_path / "f.jsonl"))

    assert not isinstance(ds.examples, list)
    assert (len(ds.examples), ds.examples[0], ds.examples[-1]) == (60, many(60)[0], many(60)[-1])
    assert list(ds.examples) == ds.examples[:] == many(60)


def test_a_validation_file_that_repeats_the_training_file_is_found_out():
    train, leaked = tb.read_dataset(many(60), name="train"), tb.read_dataset(many(80)[50:], name="valid")

    report = train.check(validation=leaked)

    assert [p.line for p in report.problems if p.rule == "validation-overlap"] == list(range(51, 61))
    assert next(p for p in report.problems if p.rule == "validation-overlap").value.startswith("line 1: What is 50")
    assert report.ok


def test_a_validation_file_of_another_kind_or_with_errors_is_found_out():
    train = tb.read_dataset(many(60))
    pairs = tb.read_dataset([{"input": {}, "preferred_output": [], "non_preferred_output": []}])
    broken = tb.read_dataset([{"messages": []}, *many(90)[70:]])
    stranger = tb.read_dataset([chat(f"Wo ist {n}?", f"Dort {n}.", system="Anders.") for n in range(20)])

    assert [p.rule for p in train.check(validation=pairs).errors] == ["validation-method"]
    assert [p.rule for p in train.check(validation=broken).errors] == ["validation-errors"]
    assert "validation-system" in {p.rule for p in train.check(validation=stranger).warnings}


MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant", "developer", "tool"]),
        "content": st.sampled_from(["", " ", "a", "b@c.de"]),
    }
)


@settings(max_examples=150, deadline=None)
@given(records=st.lists(st.lists(MESSAGE, max_size=4), min_size=1, max_size=6))
def test_the_quick_way_through_a_file_finds_what_the_close_look_finds(records):
    lines = [json.dumps({"messages": messages}).encode() for messages in records]
    across = {"duplicate-example", "conflicting-answers", "system-missing", "system-differs"}

    report = tb.data.Dataset(MemoryLines(lines), method="supervised").check(min_examples=0, keep=1_000)

    closely = [(p.line, p.rule, p.path) for p in check_lines(lines, method="supervised", min_examples=0) if p.line]
    assert sorted((p.line, p.rule, p.path) for p in report.problems if p.rule not in across and p.line) == sorted(
        closely
    )


def test_the_card_escapes_foreign_text_and_reads_without_colour():
    evil = "<script>alert(1)</script>"
    bad = [{"messages": [{"role": evil, "content": evil}], evil: evil} for _ in range(3)]

    report = tb.read_dataset([*bad, *many(60)], name=evil, method="supervised").check(evil)
    page = report._repr_html_()

    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "✕ error × 3" in re.sub("<[^>]*>", "", page)
    assert page.count('scope="col"') >= 3
    assert "<caption" in page


def test_lines_with_the_same_finding_share_a_row_of_the_card_and_kinds_beyond_four_are_closed():
    bad = [{"messages": [{"role": "bot", "content": "x"}]}] * 12
    bad += [{"messages": 1}, {"messages": []}, {"prompt": "a", "completion": "b"}, {"messages": ["x"]}]

    html = tb.read_dataset(bad, method="supervised").check()._repr_html_()

    assert ">1, 2, 3, 4, 5, 6, 7, 8 and 4 more</td>" in html
    assert html.count(' open="open"') == 4
    assert not re.search("<code[^>]*></code>", html)
    assert html.count("<details") > 5


def test_the_text_form_names_rules_lines_and_fixes():
    text = repr(tb.read_dataset([*many(60, system=None), {"messages": []}], name="f").check())

    assert text.splitlines()[0] == "f: 61 supervised examples. The service will refuse this file: 1 error, no warnings."
    assert "✕ no-messages, 1 x (line 61): There are no messages." in text
    assert "-> Remove this example or fill it." in text


def test_two_files_can_be_checked_at_once():
    """In a process of its own: what goes wrong here ends the process."""
    script = f"""
import sys, threading, tunebook as tb
sys.setswitchinterval(1e-6)
examples = {many(12)!r}
checks = [threading.Thread(target=tb.read_dataset(examples).check) for _ in range(2)]
[check.start() for check in checks], [check.join() for check in checks]
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
