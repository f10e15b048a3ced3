"""The `tunebook` command: each verb is a thin door to a function that a notebook calls as well.

Errors are one message without a traceback, and an exit code that is not 0: 1 for bad input and what the service
refuses, 2 for a wrong command line, 130 for Ctrl-C. Whatever a verb prints passes `_Harmless`: names and messages from
outside move no cursor and turn no text around.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib.resources import files
from pathlib import Path
from typing import Any, TextIO

from tunebook.errors import TunebookError

_REPOSITORY = Path(__file__).parents[2]
# What a terminal obeys instead of showing: control characters (C0, C1), marks that turn the direction of writing, line
# separators; and half characters, which cannot be written.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BAR = re.compile(r"(\r?)([^\r]*)(\r?)|((?:\x1b\[A)+)")  # how a progress bar goes to the start of its line, or one up


class _Harmless:
    """A stream that shows as `\\u001b` what a terminal would obey."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        bar = _BAR.fullmatch(text)
        start, shown, end, up = bar.groups() if bar else ("", text, "", None)
        self._stream.write(up or f"{start}{_OBEYED.sub(_shown, shown)}{end}")
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _shown(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    out: Any = _Harmless(sys.stdout)
    err: Any = _Harmless(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        return _run(list(sys.argv[1:] if argv is None else argv))


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["serve"]:  # the embedded service reads its own options
        from tunebook_local.server import main as serve

        return serve(arguments[1:])
    options, unknown = _parser().parse_known_args(arguments)
    if options.run is _lab:
        options.arguments = unknown
    elif unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return options.run(options)
    except TunebookError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("Interrupted.", code=130)
    except BrokenPipeError:  # `tunebook check … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a disk that is full, a folder that cannot be written
        return _fail(f"{error.filename}: {error.strerror}." if error.filename else str(error))
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("openai", "azure"):
            raise
        from tunebook.service.refusals import reason

        return _fail(" ".join(filter(None, reason(error))))


def _fail(message: str, code: int = 1) -> int:
    print(f"tunebook: {message}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tunebook", description="Fine-tuning on Azure OpenAI: check, start, watch, diagnose, compare, report."
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace], int], help_: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=help_, description=help_)
        sub.set_defaults(run=run, parser=sub)
        return sub

    demo = verb("demo", _demo, "Do the whole job on this machine, without an account, and write a report.")
    demo.add_argument("--train", type=Path, metavar="FILE", help="your training file (default: example data)")
    demo.add_argument("--valid", type=Path, metavar="FILE", help="your validation file (default: a fifth is split off)")
    demo.add_argument("--all", action="store_true", help="use all examples, not only the first 600")
    demo.add_argument("--out", type=Path, default=Path("tunebook-demo"), metavar="DIR", help="where the report goes")

    lab = verb("lab", _lab, "Open JupyterLab at the quickstart notebook; options not listed here are JupyterLab's.")
    lab.add_argument("--folder", type=Path, help="where to copy the notebooks when installed without the repository")

    verbs.add_parser("serve", help="Run the embedded service in the foreground (`tunebook serve --help`).")

    verb("doctor", _doctor, "Look whether everything needed is here and the service answers; say what to do.")

    check = verb("check", _check, "Check a training file; exit code 1 when the service would refuse it.")
    check.add_argument("file", type=Path, nargs="?", metavar="FILE")
    check.add_argument("--explain", nargs="?", const="", metavar="RULE", help="what a rule asks for; alone, all rules")
    check.add_argument("--method", choices=("supervised", "dpo", "reinforcement"))
    check.add_argument("--model", help="check against this base model's limits")
    check.add_argument("--validation", type=Path, metavar="FILE", help="look for examples that stand in both files")
    check.add_argument("--json", action="store_true")

    catalogue = verb("catalogue", _catalogue, "Print what is known of models, tiers and prices, and how old it is.")
    catalogue.add_argument(
        "--check", type=Path, metavar="FILE", help="find what does not fit in a newer catalogue file"
    )

    diagnose = verb("diagnose", _diagnose, "Say of result files whether the job overfits, one line a file.")
    diagnose.add_argument("files", nargs="+", type=Path, metavar="FILE")
    diagnose.add_argument("--json", action="store_true")

    forecast = verb(
        "forecast", _forecast, "Say where running jobs will end, from the first part of their result files."
    )
    forecast.add_argument("files", nargs="+", type=Path, metavar="FILE")
    forecast.add_argument("--total-steps", type=int, metavar="N", help="steps each job is planned to have")
    forecast.add_argument("--incumbent", type=float, metavar="X", help="the loss to beat")
    forecast.add_argument("--json", action="store_true")

    compare = verb("compare", _compare, "Compare the runs in a folder and rank them.")
    compare.add_argument("folder", type=Path)
    compare.add_argument("--json", action="store_true")

    sweep = verb("sweep", _sweep, "Train jobs that differ in hyperparameters, and archive them for comparing.")
    sweep.add_argument("--train", type=Path, metavar="FILE", help="training file")
    sweep.add_argument("--valid", type=Path, metavar="FILE", help="validation file")
    sweep.add_argument("--model", default="gpt-4.1-nano")
    sweep.add_argument("--vary", action="append", default=[], metavar="NAME=V,V", help="e.g. n_epochs=2,4")
    sweep.add_argument("--seeds", type=int, default=1, help="replicates of each setting")
    sweep.add_argument("--folder", type=Path, help="where its manifest and runs go; name it again to go on")
    sweep.add_argument("--budget-tokens", type=float, help="refuse a plan that bills more tokens than this")
    sweep.add_argument("--budget-usd", type=float, help="refuse a plan that costs more US dollars than this")
    sweep.add_argument("--plan", action="store_true", help="print the plan and its cost, and send nothing")
    sweep.add_argument("--stop", action="store_true", help="cancel the jobs of the sweep in --folder")

    report = verb("report", _report, "Write a report of the runs in a folder, as .html, .md or .pdf.")
    report.add_argument("folder", type=Path)
    report.add_argument("-o", "--output", type=Path, default=Path("report.html"))
    report.add_argument("--title")
    report.add_argument("--pdf", action="store_true", help="print it on A4 as well, beside the output")
    return parser


def _demo(options: argparse.Namespace) -> int:
    from tunebook.demo import DemoOptions, run_demo

    train = options.train or _examples() / "data" / "support_tickets.jsonl"
    run_demo(DemoOptions(train=train, valid=options.valid, all_examples=options.all, out=options.out))
    return 0


def _lab(options: argparse.Namespace) -> int:
    home = _examples()
    if home != _REPOSITORY:  # installed as a package: work on a copy the user owns
        folder = options.folder or Path.cwd() / "tunebook-notebooks"
        for part in ("notebooks", "data"):
            if not (folder / part).exists():
                shutil.copytree(home / part, folder / part)
        print(f"The notebooks and their data are in {folder}.")
        home = folder
    notebook = home / "notebooks" / "01_quickstart.ipynb"
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]  # in this process: Lab ends when it ends

    passed_on = [argument for argument in options.arguments if argument != "--"]
    LabApp.launch_instance([f"--notebook-dir={home}", str(notebook), *passed_on])
    return 0


def _doctor(_: argparse.Namespace) -> int:
    from datetime import date

    from tunebook.doctor import examine
    from tunebook.service import connect

    findings = []
    for finding in examine(connect, date.today()):
        findings.append(finding)
        print(finding)
    return 1 if any(finding.state == "wrong" for finding in findings) else 0


def _catalogue(options: argparse.Namespace) -> int:
    from datetime import date

    from tunebook.catalogue import check_catalogue, load_catalogue
    from tunebook.money import facts_in_words

    if options.check is None:
        print("\n".join(facts_in_words(load_catalogue(), today=date.today())))
        return 0
    findings = check_catalogue(options.check)
    for finding in findings:
        print(f"{'✗ wrong' if finding.severity == 'error' else '· note '}  {finding}")
    if any(finding.severity == "error" for finding in findings):
        return 1
    told = f"{options.check} fits. Lay it over the shipped one with TUNEBOOK_CATALOGUE={options.check}"
    print(f"{told}, which then is of {load_catalogue(options.check).as_of}.")
    return 0


def _check(options: argparse.Namespace) -> int:
    from tunebook.data import read_dataset
    from tunebook.data.rules.table import explain

    if options.explain is not None:
        print(explain(options.explain))
        return 0
    if options.file is None:
        options.parser.error("name a FILE or --explain RULE")
    dataset = read_dataset(options.file, method=options.method)
    validation = read_dataset(options.validation, method=options.method) if options.validation else None
    report = dataset.check(model=options.model, validation=validation)
    print(json.dumps(report.to_json(), ensure_ascii=False, indent=2) if options.json else report)
    return 1 if report.errors else 0


def _diagnose(options: argparse.Namespace) -> int:
    from tunebook.analysis.curves.many import diagnose_files

    return _each_file(options, diagnose_files(options.files), _verdict_line)


def _forecast(options: argparse.Namespace) -> int:
    from tunebook.analysis import forecast

    def ahead(path: Path) -> dict[str, Any]:
        try:
            found = forecast(path, total_steps=options.total_steps, incumbent=options.incumbent)
            return {"file": str(path)} | found.to_json()
        except TunebookError as error:
            return {"file": str(path), "error": str(error)}

    return _each_file(options, map(ahead, options.files), lambda record: str(record["reason"]))


def _each_file(
    options: argparse.Namespace, records: Iterable[dict[str, Any]], line: Callable[[dict[str, Any]], str]
) -> int:
    """Say a line of each file's record as soon as it is there, or all as JSON; 1 when one of them has an error."""
    from tqdm import tqdm

    found = []
    bar = tqdm(records, total=len(options.files), unit="file", delay=1, leave=False, disable=None)
    for record in bar:
        found.append(record)
        if not options.json:
            said = f"cannot be read. {record['error']}" if "error" in record else line(record)
            bar.write(f"{record['file']}: {said}")
    if options.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    return 1 if any("error" in record for record in found) else 0


def _verdict_line(record: Mapping[str, Any]) -> str:
    warned = "".join(
        f" {each['kind'].replace('_', ' ').capitalize()}: {each['evidence']}" for each in record["findings"]
    )
    return f"{record['verdict'].replace('_', ' ')}. {record['reason']}{warned}"


def _compare(options: argparse.Namespace) -> int:
    from tunebook.analysis import compare
    from tunebook.experiments import read_runs

    comparison = compare(read_runs(options.folder))
    print(json.dumps(comparison.to_json(), ensure_ascii=False, indent=2) if options.json else comparison)
    return 0


def _sweep(options: argparse.Namespace) -> int:
    from tunebook.experiments import Sweep
    from tunebook.service import connect

    known = options.folder is not None and (options.folder / "sweep.json").is_file()
    if (options.stop or options.train is None) and not known:
        raise TunebookError("Name a training file with --train, or with --folder a sweep that was begun.")
    workspace = connect(say=lambda line: print(line, file=sys.stderr))
    if options.stop:
        Sweep.open(options.folder).stop(workspace)
        return 0
    sweep = Sweep.open(options.folder) if known else _new_sweep(options, workspace)
    if options.plan:
        print(sweep.plan.to_string())
        print(sweep.cost)
        return 0
    print(
        f"Sweep of {len(sweep.plan)} jobs in {sweep.folder}. Ctrl-C stops watching; --folder goes on.", file=sys.stderr
    )
    sweep.resume(workspace, say=lambda line: print(line, file=sys.stderr))
    print(sweep.folder / "runs")
    return 0


def _new_sweep(options: argparse.Namespace, workspace: Any) -> Any:
    from tunebook.data import read_dataset
    from tunebook.experiments import Sweep
    from tunebook.service import JobRequest

    space = {}
    for told in options.vary:
        name, _, values = told.partition("=")
        space[name] = [_number(value) for value in values.split(",") if value]
    train = read_dataset(options.train)
    valid = read_dataset(options.valid) if options.valid else None
    files = [workspace.files.upload(part).id if part and not options.plan else "file" for part in (train, valid)]
    request = JobRequest(
        model=options.model, training_file=files[0], validation_file=files[1] if valid is not None else None
    )
    tokens = sum(train.count_tokens(model=options.model))
    return Sweep(
        request,
        space,
        seeds=options.seeds,
        file_tokens=tokens,
        budget_tokens=options.budget_tokens,
        budget_usd=options.budget_usd,
        folder=options.folder,
    )


def _number(text: str) -> Any:
    """The value a hyperparameter was given on the command line: a whole number, a number, or a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _report(options: argparse.Namespace) -> int:
    from tunebook.analysis import compare
    from tunebook.experiments import read_runs
    from tunebook.report import write_report

    comparison = compare(read_runs(options.folder))
    outputs = [options.output, *([options.output.with_suffix(".pdf")] if options.pdf else [])]
    for output in dict.fromkeys(outputs):
        print(write_report(comparison, output, title=options.title))
    return 0


def _examples() -> Path:
    """Where the notebooks and example data are: the repository, or the copy inside the installed package."""
    if (_REPOSITORY / "data" / "support_tickets.jsonl").is_file():
        return _REPOSITORY
    return Path(str(files("tunebook"))) / "examples"


if __name__ == "__main__":
    sys.exit(main())
