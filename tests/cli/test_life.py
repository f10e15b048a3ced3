"""The whole life of a job from a pipeline: nothing but the command, and reading its JSON as `jq` would.

Each verb's answer is held against the schema that `tunebook schema` prints, in which every key is documented: a key
that the schema does not know fails here.
"""

import io
import json
import os
import subprocess
import sys

import jsonschema
import pytest

from tunebook.cli import _parser, main
from tunebook.cli.answers import ANSWERS, schema

CITIES = ("Oslo", "Rome", "Cairo", "Lima", "Bern", "Riga", "Doha", "Kyiv")


def examples(start, n):
    for i in range(start, start + n):
        user = f"What is the {i}th word for {CITIES[i % len(CITIES)]}?"
        answer = f"The word is {CITIES[(i * 3) % len(CITIES)]}."
        yield json.dumps({"messages": [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]})


def jq(document, path):
    """The value at a path such as `.[0].id`."""
    for part in path.strip(".").replace("[", ".[").split("."):
        if part:
            document = document[int(part[1:-1])] if part.startswith("[") else document[part]
    return document


def strict(text):
    """JSON as every parser takes it: NaN and Infinity are refused."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def documented(schema):
    """The schema with no key allowed beside those it documents."""
    if isinstance(schema, dict):
        closed = {"additionalProperties": False} if "properties" in schema else {}
        return {key: documented(value) for key, value in schema.items()} | closed
    return [documented(each) for each in schema] if isinstance(schema, list) else schema


class Pipeline:
    """A folder in which commands are run, one after the other, without a terminal; `said`: the last one's messages."""

    def __init__(self, folder, command):
        self.folder, self.command, self.said = folder, command, ""

    def run(self, *arguments, code=0):
        got, out, self.said = self.command([str(a) for a in arguments])
        assert got == code, f"{arguments}: {got}\n{out}\n{self.said}"
        assert "Traceback" not in self.said
        return out

    def ask(self, *arguments, code=0):
        """The answer of a verb as JSON, which is what its schema says."""
        answer = strict(self.run(*arguments, "--json", code=code))
        words = [word for word in map(str, arguments[:2]) if not word.startswith("-")]
        verb = " ".join(words) if " ".join(words) in ANSWERS else words[0]
        jsonschema.validate(answer, documented(schema(verb)))
        return answer


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, start, n in (("train", 0, 60), ("valid", 100, 15), ("test", 200, 12)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(examples(start, n)) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEBOOK_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    return tmp_path


@pytest.fixture
def processes(folder):
    """Each command in a process of its own, as in a pipeline."""

    def command(arguments):
        started = [sys.executable, "-m", "tunebook", *arguments]
        done = subprocess.run(started, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout, done.stderr

    return Pipeline(folder, command)


@pytest.fixture
def pipeline(folder, monkeypatch, capsys):
    """The same commands in this process, which is quicker."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def command(arguments):
        capsys.readouterr()
        code = main(arguments)
        return code, *capsys.readouterr()

    return Pipeline(folder, command)


SPEND = ("--yes", "--budget-usd", "5")


def test_a_job_from_its_file_to_the_cleaning_up(processes):
    pipeline, ask = processes, processes.ask
    assert jq(ask("check", "train.jsonl", "--model", "gpt-4.1-nano"), ".ok") is True

    assert jq(ask("split", "train.jsonl", "--out", "parts"), ".written[1]") == "parts/train.valid.jsonl"

    pipeline.run("create", "--model", "gpt-4.1-nano", "--train", "train.jsonl", "--valid", "valid.jsonl",
                 "--n-epochs", "2", "--suffix", "words", "--write", "job.yaml")  # fmt: skip
    planned = ask("create", "job.yaml", "--plan")
    assert jq(planned, ".job") is None
    assert 0 < jq(planned, ".act.usd") < 1
    assert ask("jobs", "list") == []

    job = jq(ask("create", "job.yaml", *SPEND), ".job.id")
    watched = ask("jobs", "watch", job)
    assert jq(watched, ".[0].status") == "succeeded"
    assert jq(ask("jobs", "show", job), ".[0].diagnosis.verdict") == jq(watched, ".[0].diagnosis.verdict")
    assert [each["id"] for each in ask("jobs", "list")] == [job]

    folder = jq(ask("jobs", "archive", job, "--folder", "runs"), ".folders[0]")
    verdict = jq(ask("diagnose", folder), ".[0].verdict")
    pipeline.run("diagnose", folder, "--fail-on", verdict, code=1)
    ask("forecast", f"{folder}/results.csv", "--total-steps", "400")
    assert jq(ask("compare", "runs"), ".rows[0].id") == job
    assert isinstance(jq(ask("next", "runs", "--budget-usd", "5"), ".steps"), list)
    assert jq(ask("report", "runs", "-o", "report.html"), ".written") == ["report.html"]

    deployed = ask("deploy", job, "--name", "words-v1", "--sku", "developer", *SPEND)
    assert jq(deployed, ".state") == "Succeeded"
    ask("deploy", "gpt-4.1-nano", "--name", "base", "--sku", "globalstandard", *SPEND)
    evaluated = ask("evaluate", "test.jsonl", "--models", "base", "words-v1", "--score", "token_f1", *SPEND)
    assert jq(evaluated, ".n") == 12
    assert jq(evaluated, ".gain_high") >= jq(evaluated, ".gain_low")

    ask("cleanup", "--plan", "plan.json", "--only", "words-v1", "base")
    pipeline.run("cleanup", "--apply", "plan.json", code=2)
    assert "Nobody is here to ask" in pipeline.said
    applied = ask("cleanup", "--apply", "plan.json", "--yes")
    assert [each["outcome"] for each in jq(applied, ".deletions")] == ["deleted", "deleted"]
    assert ask("cleanup", "--apply", "plan.json", "--yes")["deletions"] == []  # twice in a row

    files = [each["id"] for each in ask("files", "list", "--purpose", "fine-tune")]
    assert len(files) == 2
    ask("files", "delete", *files, "--yes")
    assert ask("files", "list", "--purpose", "fine-tune") == []


def test_a_sweep_is_priced_refused_and_trained(pipeline):
    sweep = ("sweep", "--train", "train.jsonl", "--valid", "valid.jsonl", "--vary", "n_epochs=1,2", "--folder", "s")

    assert len(jq(pipeline.ask(*sweep, "--plan"), ".jobs")) == 2
    pipeline.run(*sweep, code=2)
    assert "--yes and --budget-usd" in pipeline.said
    pipeline.run(*sweep, "--yes", "--budget-usd", "0.0001", code=1)
    assert "the budget is" in pipeline.said
    assert pipeline.ask("files", "list") == []  # nothing was sent yet

    done = pipeline.ask(*sweep, *SPEND)

    assert {each["state"] for each in jq(done, ".jobs")} == {"ended"}
    assert len(jq(pipeline.ask("compare", jq(done, ".runs")), ".rows")) == 2
    pipeline.run(*sweep, *SPEND)  # again: nothing is left to send
    assert len(pipeline.ask("jobs", "list")) == 2


def test_a_running_job_is_paused_resumed_and_cancelled(pipeline):
    (pipeline.folder / "long.jsonl").write_text("\n".join(examples(0, 3000)) + "\n")
    job = jq(
        pipeline.ask("create", "--model", "gpt-4.1-nano", "--train", "long.jsonl", "--n-epochs", "9", *SPEND), ".job.id"
    )
    pipeline.run("jobs", "resume", job, *SPEND, code=2)
    assert "Only a paused job" in pipeline.said

    while not jq(pipeline.ask("jobs", "show", job), ".[0].step"):
        pass
    pipeline.ask("jobs", "pause", job)
    pipeline.ask("jobs", "watch", job, code=1)
    resumed = pipeline.ask("jobs", "resume", job, *SPEND)
    assert jq(resumed, ".[0].status") in ("resuming", "queued", "running", "pending")
    assert jq(pipeline.ask("jobs", "cancel", job), ".[0].status") == "cancelled"
    pipeline.ask("jobs", "cancel", job, code=1)
    pipeline.run("jobs", "show", "ftjob-none", code=2)


def test_the_doctor_answers_in_json(pipeline):
    assert {each["state"] for each in pipeline.ask("doctor")} <= {"ok", "note"}


def test_files_are_checked_before_they_are_uploaded(pipeline):
    (pipeline.folder / "broken.jsonl").write_text('{"messages": []}\n')

    pipeline.run("files", "upload", "train.jsonl", "broken.jsonl", code=1)
    assert pipeline.ask("files", "list") == []
    assert jq(pipeline.ask("files", "upload", "train.jsonl"), ".[0].filename") == "train.jsonl"


def test_a_plan_for_another_resource_is_not_applied(pipeline):
    plan = {"place": "contoso", "steps": [{"key": "file:file-1"}]}
    (pipeline.folder / "plan.json").write_text(json.dumps(plan))

    pipeline.run("cleanup", "--apply", "plan.json", "--yes", code=2)

    assert "this plan is for contoso" in pipeline.said


@pytest.mark.parametrize("verb", sorted(ANSWERS))
def test_every_answer_has_a_schema_that_is_one(verb):
    jsonschema.Draft202012Validator.check_schema(schema(verb))


def test_what_is_no_amount_is_refused(pipeline):
    for told in ("nan", "inf", "-1", "five"):
        with pytest.raises(SystemExit) as refused:
            pipeline.run("create", "job.yaml", "--yes", "--budget-usd", told)
        assert refused.value.code == 2


def verbs(parser, above=""):
    """Each verb of the command with its parser."""
    for action in parser._actions:
        for name, sub in (getattr(action, "choices", None) or {}).items() if action.nargs == "A..." else ():
            below = list(verbs(sub, f"{above}{name} "))
            yield from below or [(f"{above}{name}", sub)]


def test_every_verb_that_answers_in_json_has_its_keys_documented():
    answering = {name for name, sub in verbs(_parser([])) if "--json" in sub._option_string_actions}

    assert answering == set(ANSWERS)


def test_a_person_sees_the_price_and_says_yes_or_no(pipeline, at_a_terminal):
    create = ["create", "--model", "gpt-4.1-nano", "--train", "train.jsonl", "--n-epochs", "1"]

    code, shown = at_a_terminal(create, dict(os.environ), types="n\n")
    assert (code, "billed tokens" in shown) == (1, True)
    assert pipeline.ask("jobs", "list") == []

    assert at_a_terminal(create, dict(os.environ), types="y\n")[0] == 0
    assert len(pipeline.ask("jobs", "list")) == 1
