"""The verbs that look and judge, and send nothing: check, split, diagnose, forecast, compare, next, report, …"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tunebook.cli.asking import amount
from tunebook.cli.output import answer
from tunebook.errors import TunebookError
from tunebook.palette import VERDICTS

Verb = Callable[..., ArgumentParser]


def add(verb: Verb) -> None:
    verb("doctor", _doctor, "Look whether everything needed is here and the service answers; say what to do.")

    check = verb("check", _check, "Check a training file; exit code 1 when the service would refuse it.")
    check.add_argument("file", type=Path, nargs="?", metavar="FILE")
    check.add_argument("--explain", nargs="?", const="", metavar="RULE", help="what a rule asks for; alone, all rules")
    check.add_argument("--method", choices=("supervised", "dpo", "reinforcement"))
    check.add_argument("--model", help="check against this base model's limits")
    check.add_argument("--validation", type=Path, metavar="FILE", help="look for examples that stand in both files")

    split = verb("split", _split, "Split a file into FILE.train.jsonl and FILE.valid.jsonl, near duplicates together.")
    split.add_argument("file", type=Path, metavar="FILE")
    split.add_argument(
        "--valid", type=amount, default=0.2, metavar="SHARE", help="or a number of examples (default: 0.2)"
    )
    split.add_argument("--seed", type=int, default=0)
    split.add_argument("--out", type=Path, metavar="DIR", help="where to (default: beside the file)")

    catalogue = verb(
        "catalogue", _catalogue, "Print what is known of models, tiers and prices, and how old it is.", tells=False
    )
    catalogue.add_argument(
        "--check", type=Path, metavar="FILE", help="find what does not fit in a newer catalogue file"
    )

    diagnose = verb("diagnose", _diagnose, "Say of result files whether the job overfits, one line a file.")
    diagnose.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a result file, or a folder of runs")
    diagnose.add_argument(
        "--fail-on",
        action="append",
        default=[],
        choices=tuple(VERDICTS),
        help="exit code 1 for this verdict; repeatable",
    )

    forecast = verb(
        "forecast", _forecast, "Say where running jobs will end, from the first part of their result files."
    )
    forecast.add_argument("files", nargs="+", type=Path, metavar="FILE")
    forecast.add_argument("--total-steps", type=int, metavar="N", help="steps each job is planned to have")
    forecast.add_argument("--incumbent", type=float, metavar="X", help="the loss to beat")

    compare = verb("compare", _compare, "Compare the runs in a folder and rank them.")
    compare.add_argument("folder", type=Path)

    following = verb("next", _next, "Say what to pay for next, from the runs in a folder.")
    following.add_argument("folder", type=Path)
    following.add_argument("--budget-usd", type=amount, metavar="USD", help="what may be spent in all")
    following.add_argument("--archive", type=Path, action="append", default=[], help="runs of earlier, similar work")

    report = verb("report", _report, "Write a report of the runs in a folder, as .html, .md or .pdf.")
    report.add_argument("folder", type=Path)
    report.add_argument("-o", "--output", type=Path, default=Path("report.html"))
    report.add_argument("--title")
    report.add_argument("--pdf", action="store_true", help="print it on A4 as well, beside the output")


def _doctor(options: Namespace) -> int:
    from dataclasses import asdict
    from datetime import date

    from tunebook.doctor import examine
    from tunebook.service import connect

    findings = []
    for finding in examine(lambda: connect(say=bool if options.json else print), date.today()):
        findings.append(finding)
        if not options.json:
            print(finding)
    if options.json:
        answer(options, [asdict(finding) for finding in findings], "")
    return 1 if any(finding.state == "wrong" for finding in findings) else 0


def _catalogue(options: Namespace) -> int:
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


def _check(options: Namespace) -> int:
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
    answer(options, report.to_json(), report)
    return 1 if report.errors else 0


def _split(options: Namespace) -> int:
    from tunebook.data import read_dataset

    share = options.valid if options.valid < 1 else int(options.valid)
    parts = read_dataset(options.file).split(valid=share, seed=options.seed)
    folder = options.out or options.file.parent
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        part.write(folder / f"{options.file.stem}.{name}.jsonl")
        for part, name in zip(parts, ("train", "valid"), strict=True)
    ]
    answer(options, {"written": written}, "\n".join(map(str, written)))
    return 0


def _diagnose(options: Namespace) -> int:
    from tunebook.analysis.curves.many import diagnose_files

    files = [file for path in options.files for file in _result_files(path)]
    records = _each_file(options, diagnose_files(files), len(files), _verdict_line)
    if any("error" in record for record in records):
        return 2
    return 1 if any(record["verdict"] in options.fail_on for record in records) else 0


def _result_files(path: Path) -> Iterator[Path]:
    """A file itself, or those of the run folders in a folder."""
    if not path.is_dir():
        yield path
        return
    found = sorted(path.rglob("results.csv"))
    if not found:
        raise TunebookError(f"{path}: there is no results.csv in this folder.")
    yield from found


def _forecast(options: Namespace) -> int:
    from tunebook.analysis import forecast

    def ahead(path: Path) -> dict[str, Any]:
        try:
            found = forecast(path, total_steps=options.total_steps, incumbent=options.incumbent)
            return {"file": str(path)} | found.to_json()
        except TunebookError as error:
            return {"file": str(path), "error": str(error)}

    told = _each_file(options, map(ahead, options.files), len(options.files), lambda record: str(record["reason"]))
    return 2 if any("error" in record for record in told) else 0


def _each_file(
    options: Namespace, records: Iterable[dict[str, Any]], n: int, line: Callable[[dict[str, Any]], str]
) -> list[dict[str, Any]]:
    """Say a line of each file's record as soon as it is there, or all as JSON."""
    from tqdm import tqdm

    found = []
    bar = tqdm(records, total=n, unit="file", delay=1, leave=False, disable=None)
    for record in bar:
        found.append(record)
        if not options.json:
            said = f"cannot be read. {record['error']}" if "error" in record else line(record)
            bar.write(f"{record['file']}: {said}")
    if options.json:
        answer(options, found, "")
    return found


def _verdict_line(record: Mapping[str, Any]) -> str:
    warned = "".join(
        f" {each['kind'].replace('_', ' ').capitalize()}: {each['evidence']}" for each in record["findings"]
    )
    return f"{record['verdict'].replace('_', ' ')}. {record['reason']}{warned}"


def _compared(folder: Path) -> Any:
    from tunebook.analysis import compare
    from tunebook.experiments import read_runs

    return compare(read_runs(folder))


def _compare(options: Namespace) -> int:
    comparison = _compared(options.folder)
    answer(options, comparison.to_json(), comparison)
    return 0


def _next(options: Namespace) -> int:
    from tunebook.analysis import next_steps
    from tunebook.experiments import read_runs

    archive = [run for folder in options.archive for run in read_runs(folder)]
    found = next_steps(_compared(options.folder), budget_usd=options.budget_usd, archive=archive)
    answer(options, found.to_json(), found)
    return 0


def _report(options: Namespace) -> int:
    from tunebook.report import write_report

    comparison = _compared(options.folder)
    outputs = [options.output, *([options.output.with_suffix(".pdf")] if options.pdf else [])]
    written = [write_report(comparison, output, title=options.title) for output in dict.fromkeys(outputs)]
    answer(options, {"written": written}, "\n".join(map(str, written)))
    return 0
