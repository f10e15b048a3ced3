"""Runs and comparisons as tables and pictures for other tools: Parquet, Excel, SVG and PNG."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from tunebook.analysis.sweeps.comparison import Comparison, run_ids
from tunebook.errors import RequestError, TunebookError
from tunebook.report.names import distinct, slug
from tunebook.report.writing import made_folder, read_comparison
from tunebook.words import missing

# Rows of a sheet, its head among them (Excel's own limit).
EXCEL_ROWS = 1_048_576
EXCEL_TEXT = 32_767
FORMATS = ("svg", "png")
Drawers = dict[str, Callable[..., object]]
_PNG_DPI = 200


def need(module: str, extra: str, what: str) -> ModuleType:
    """The optional package `module`; TunebookError naming the extra that brings it when it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise TunebookError(
            f"{what} needs the package {module!r}, which cannot be loaded ({error}). "
            f"Install it: pip install 'tunebook[{extra}]'"
        ) from None


def frames(source: Any) -> dict[str, pd.DataFrame]:
    """The numbers behind a report, as plain tables; `source` is what `write_report` takes.

    `jobs` has one row a job (the columns of `Comparison.frame`, and `left_out`, the reason a job is not ranked);
    `measurements` one row a job and step (`job`, then the columns of `Results.frame`); `checkpoints` one row a
    checkpoint (`job`, `step`, `name`, `recommended`); `curves` one row a job and point of its smoothed curve.
    Columns hold numbers, or text where values are not all numbers; missing is NaN or None.

    >>> {name: len(frame) for name, frame in tb.report.frames("runs").items()}
    {'jobs': 4, 'measurements': 480, 'checkpoints': 11, 'curves': 480}
    """
    comparison = read_comparison(source)
    jobs = comparison.frame.copy()
    if len(jobs):
        jobs["left_out"] = [comparison.left_out.get(str(job_id)) for job_id in jobs["id"]]
    pairs = list(zip(run_ids(comparison.runs), comparison.runs, strict=True))
    measured = [_of_job(job_id, run.results.frame) for job_id, run in pairs if run.results is not None]
    curves = [_of_job(job_id, diagnosis.curve) for job_id, diagnosis in comparison.diagnoses.items()]
    kept = [
        {
            "job": job_id,
            "step": checkpoint.get("step_number"),
            "name": checkpoint.get("fine_tuned_model_checkpoint"),
            "recommended": checkpoint.get("step_number") == _recommended(comparison, job_id),
        }
        for job_id, run in pairs
        for checkpoint in run.checkpoints
    ]
    made = {
        "jobs": jobs,
        "measurements": pd.concat(measured, ignore_index=True) if measured else pd.DataFrame(columns=["job", "step"]),
        "checkpoints": pd.DataFrame(kept, columns=["job", "step", "name", "recommended"]),
        "curves": pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=["job", "step"]),
    }
    return {name: _plain(frame) for name, frame in made.items()}


def write_parquet(source: Any, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the tables of `frames` into `folder`, one Parquet file each; returns their paths.

    Needs pyarrow: `pip install 'tunebook[parquet]'`.

    >>> tb.report.write_parquet("runs", "tables")[0]
    PosixPath('tables/jobs.parquet')
    """
    need("pyarrow", "parquet", "Writing Parquet")
    target = made_folder(folder)
    paths = []
    for name, frame in frames(source).items():
        paths.append(target / f"{name}.parquet")
        frame.to_parquet(paths[-1], engine="pyarrow", index=False)
    return paths


def write_excel(source: Any, path: str | os.PathLike[str]) -> Path:
    """Write the tables of `frames` as the sheets of one workbook; returns its path.

    Text stays text: a suffix or message that begins with `=` is no formula. Needs openpyxl:
    `pip install 'tunebook[excel]'`. Raises RequestError for more rows than a sheet holds.

    >>> tb.report.write_excel("runs", "runs.xlsx")
    PosixPath('runs.xlsx')
    """
    need("openpyxl", "excel", "Writing Excel")
    target = Path(path)
    if target.suffix.lower() != ".xlsx":
        raise RequestError(f"{target}: a workbook is written as .xlsx; give the path this ending.")
    tables = frames(source)
    for name, frame in tables.items():
        if len(frame) >= EXCEL_ROWS:
            raise RequestError(
                f"{name} has {len(frame):,} rows, a sheet of Excel holds {EXCEL_ROWS - 1:,}. "
                "Use write_parquet, or fewer jobs."
            )
    with pd.ExcelWriter(target, engine="openpyxl") as book:
        for name, frame in tables.items():
            frame.map(_excel_text).rename(columns=_excel_text).to_excel(
                book, sheet_name=name, index=False, freeze_panes=(1, 1)
            )
            _dress_sheet(book.sheets[name])
    return target


def write_figures(
    source: Any,
    folder: str | os.PathLike[str],
    *,
    format: str = "svg",
    names: Iterable[str] | None = None,
) -> list[Path]:
    """Write figures into `folder`, each under its name; returns their paths.

    `names` chooses among `figure_names(source)` (default: all): `all-jobs`, `ranking`, and `loss-<job>` and
    `accuracy-<job>` for each job that has results. `format` is "svg" or "png" (200 dots per inch, white paper).
    Raises RequestError for a name or format there is not.

    >>> tb.report.write_figures("runs", "figures", format="png", names=["ranking"])
    [PosixPath('figures/ranking.png')]
    """
    if format not in FORMATS:
        raise RequestError(f"format={format!r}: figures are written as {' or '.join(FORMATS)}.")
    comparison = read_comparison(source)
    drawers = _drawers(comparison)
    wanted = list(drawers) if names is None else list(names)
    unknown = [name for name in wanted if name not in drawers]
    if unknown:
        raise RequestError(f"There is no figure {unknown[0]!r}; there are {', '.join(drawers) or 'none'}.")
    target = made_folder(folder)
    paths = []
    for name in wanted:
        paths.append(target / f"{name}.{format}")
        save_figure(drawers[name], paths[-1])
    return paths


def figure_names(source: Any) -> tuple[str, ...]:
    """The names of the figures that `write_figures` can write.

    >>> tb.report.figure_names("runs")[:3]
    ('all-jobs', 'ranking', 'loss-calm')
    """
    return tuple(_drawers(read_comparison(source)))


def _drawers(comparison: Comparison) -> Drawers:
    """Figure name -> what draws it on the Axes `ax`."""
    drawers = sweep_drawers(comparison)
    labels = {job.id: job.label for job in comparison.jobs}
    names = distinct((slug(labels[job_id]) for job_id in comparison.diagnoses), "{}-{}")
    for name, job_id in zip(names, comparison.diagnoses, strict=True):
        drawers |= {f"{kind}-{name}": draw for kind, draw in run_drawers(comparison, job_id).items()}
    return drawers


def sweep_drawers(comparison: Comparison) -> Drawers:
    """The charts of all jobs together, by name; none where there is nothing to compare."""
    from tunebook.plots.sweeps import plot_ranking, plot_sweep

    if comparison.group is None or len(comparison.group.ids) < 2:
        return {}
    return {"all-jobs": partial(plot_sweep, comparison), "ranking": partial(plot_ranking, comparison)}


def run_drawers(comparison: Comparison, job_id: str) -> Drawers:
    """The charts of one job, by name; none where it left no results."""
    from tunebook.plots.curves import plot_accuracy, plot_loss

    diagnosis = comparison.diagnoses.get(job_id)
    if diagnosis is None:
        return {}
    plots = {"loss": plot_loss, "accuracy": plot_accuracy}
    return {kind: partial(plot, comparison.run(job_id), diagnosis=diagnosis) for kind, plot in plots.items()}


def save_figure(draw: Callable[..., object], path: Path) -> None:
    """Draw onto a page of its own and write it as what the path ends in, svg or png."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    draw(ax=figure.subplots())
    with matplotlib.rc_context({"svg.hashsalt": "tunebook"}):  # the same numbers give the same file
        made: dict[str, Any] = {"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": _PNG_DPI}
        figure.savefig(path, facecolor="white", **made)


def _of_job(job_id: str, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(job=job_id)[["job", *frame.columns]]


def _recommended(comparison: Comparison, job_id: str) -> Any:
    diagnosis = comparison.diagnoses.get(job_id)
    return diagnosis.checkpoint["step"] if diagnosis and diagnosis.checkpoint else None


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with columns that every format can hold: numbers, truth values, or text."""
    made = frame.rename(columns=lambda name: _utf8(str(name)))
    made.columns = distinct(made.columns)
    for column in made.columns:
        values = made[column]
        if values.dtype != object:
            continue
        present = [value for value in values if not missing(value)]
        if present and all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
            made[column] = pd.to_numeric(values)
        elif not all(isinstance(value, bool) for value in present):
            made[column] = [None if missing(value) else _text(value) for value in values]
    return made


def _text(value: Any) -> str:
    return _utf8(value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False))


def _utf8(text: str) -> str:
    """Text without the half characters (lone surrogates) that no file holds."""
    return text.encode("utf-8", "replace").decode()


def _excel_text(value: Any) -> Any:
    """Text without the control characters a workbook cannot hold, cut to what a cell holds."""
    if not isinstance(value, str):
        return value
    return "".join(sign for sign in value if sign >= " " or sign in "\t\n")[:EXCEL_TEXT]


def _dress_sheet(sheet: Any) -> None:
    """Text cells as text, never as formulas; columns as wide as their head and first rows."""
    for row in sheet.iter_rows():
        for cell in row:
            if cell.data_type == "f":
                cell.data_type = "s"
    for column in sheet.iter_cols(max_row=30):
        widest = max(len(str(cell.value)) for cell in column if cell.value is not None)
        sheet.column_dimensions[column[0].column_letter].width = min(max(widest + 2, 8), 48)
