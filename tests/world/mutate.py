"""Random edits of what the kit keeps on disk: every exception has to be the kit's own, and no run costs another one.

    python tests/world/mutate.py [--edits 6000] [--seed 0]

`sweeps` damages a sweep's manifest and opens it, `runs` one of two run folders and compares both. Each yields what went
wrong. `tests/world/test_damaged.py` does a few hundred of them.
"""

import argparse
import copy
import json
import math
import random
import sys
import tempfile
import warnings
from pathlib import Path

import tunebook as tb
from tunebook.errors import TunebookError
from tunebook.report import frames

ODD = (
    *(None, True, False, 0, -1, 1, 2**70, -(2**70), 10**400, 1.5, math.nan, math.inf, -math.inf, 1e308),
    *("", "x", "\0", "\x1b[2J", "<script>", "9" * 5000, "../x", "\ud800", "auto", "succeeded"),
    *([], {}, [[]], [1, "a", None], {"a": 1}, {"type": None}, {"type": []}),
)
RAW = (
    *(b"\0", b"\xff\xfe", b'"', b"{", b",", b"\n", b"\x1b[2J", b"1e999", b"nan"),
    *(b"[" * 2000, b"9" * 400, b"x" * 200_000),
)
NAMES = ("x", "\x1b", "seed", "id", "data", "status", "hyperparameters", "error", "method")


def edited(value, chance):
    """A value of JSON with one to three edits."""
    value = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        paths = [path for path in _paths(value) if path]
        if not paths:
            return chance.choice(ODD)
        *above, place = chance.choice(paths)
        holder = value
        for key in above:
            holder = holder[key]
        how = chance.random()
        if how < 0.7:
            holder[place] = chance.choice(ODD)
        elif how < 0.8:
            del holder[place]
        elif how < 0.9 and isinstance(holder, dict):
            holder[chance.choice(NAMES)] = chance.choice(ODD)
        else:
            holder[place] = [holder[place]]
    return value


def damaged(content, chance):
    """Bytes with a few of them lost, changed or put in."""
    content = bytearray(content)
    for _ in range(chance.choice((1, 2, 5))):
        how, at = chance.random(), chance.randrange(len(content) + 1)
        if how < 0.3:
            content[at : at + 1] = bytes([chance.randrange(256)])
        elif how < 0.5:
            del content[at : at + chance.randrange(30)]
        elif how < 0.6:
            del content[at:]
        else:
            content[at:at] = chance.choice(RAW)
    return bytes(content)


def _paths(value, above=()):
    yield above
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield from _paths(part, (*above, key))


def _json(value):
    return json.dumps(value).encode()


def sweeps(folder, edits, seed=0):
    """Damage a manifest, open it, and use what was opened."""
    chance = random.Random(seed)  # noqa: S311 - a game
    request = tb.JobRequest(model="gpt-4.1-nano", training_file="f", validation_file="v", extra={"a": {"b": 1}})
    space = {"n_epochs": [1, 2], "learning_rate_multiplier": [0.1, 0.2]}
    sweep = tb.Sweep(request, space, folder=folder, file_tokens=1000, file_examples=50)
    sweep.manifest.update(0, state="ended", job_id="ftjob-1").update(1, state="sent", job_id="ftjob-2")
    whole = (folder / "sweep.json").read_bytes()
    for number in range(edits):
        broken = _json(edited(json.loads(whole), chance)) if chance.random() < 0.8 else damaged(whole, chance)
        (folder / "sweep.json").write_bytes(broken)
        try:
            opened = tb.Sweep.open(folder)
        except TunebookError:
            continue
        except Exception as error:
            yield f"edit {number}: opening: {type(error).__name__}: {error}"
            continue
        requests = [entry.trial.request for entry in opened.manifest.entries]
        yield from _foreign(
            f"edit {number}",
            plan=lambda: opened.plan,  # noqa: B023 - called at once
            cost=lambda: opened.cost,  # noqa: B023
            shown=lambda: (repr(opened), opened._repr_html_()),  # noqa: B023
            written=opened.manifest.write,
            sent=lambda: [json.dumps(each.to_json()) for each in requests],  # noqa: B023
            judged=lambda: [each.problems() for each in requests],  # noqa: B023
        )


JOB = {
    "id": "ftjob-b",
    "created_at": 1_790_000_000,
    "finished_at": 1_790_000_600,
    "status": "succeeded",
    "model": "gpt-4.1-mini",
    "training_file": "file-1",
    "validation_file": "file-2",
    "result_files": ["file-3"],
    "hyperparameters": {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.1},
    "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": 4}}},
    "seed": 7,
    "suffix": "x",
    "trained_tokens": 36_000,
    "fine_tuned_model": "gpt-4.1-mini.ft-1",
    "trainingType": "Standard",
    "error": {"code": "x", "message": "m"},
}
KEPT = [
    {"id": f"c{k}", "created_at": 1_790_000_000, "step_number": k, "fine_tuned_model_checkpoint": f"m:ckpt-step-{k}"}
    | {"metrics": {"step": k, "train_loss": 1.0, "valid_loss": 1.2}}
    for k in (10, 20, 30)
]
EVENTS = [
    {"id": f"e{k}", "created_at": 1_790_000_000 + k, "level": "info", "message": f"Step {k}/30: training loss=0.5"}
    | {"type": "metrics", "data": {"step": k, "train_loss": 1 / k, "total_steps": 30}}
    for k in range(1, 31)
]
TABLE = "step,train_loss,valid_loss,valid_mean_token_accuracy\n" + "".join(
    f"{k},{2 * math.exp(-k / 10) + 0.1:.4f},{2 * math.exp(-k / 12) + 0.2:.4f},{0.5 + k / 100}\n" for k in range(1, 31)
)
PARTS = {"job.json": JOB, "checkpoints.json": KEPT, "events.jsonl": EVENTS, "results.csv": TABLE}


def runs(folder, edits, seed=0, *, report_every=20):
    """Damage one of two run folders, compare both, and show, export and report the comparison."""
    chance = random.Random(seed)  # noqa: S311
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for number in range(edits):
        for name, job_id in (("a", "ftjob-a"), ("b", "ftjob-b")):
            for part, value in (PARTS | {"job.json": JOB | {"id": job_id}}).items():
                (folder / name / part).write_bytes(_written(part, value))
        part = chance.choice(("job.json", "job.json", "checkpoints.json", "events.jsonl", "results.csv"))
        value = PARTS[part]
        if part != "results.csv" and chance.random() < 0.75:
            broken = _written(part, edited(value, chance))
        else:
            broken = damaged(_written(part, value), chance)
        (folder / "b" / part).write_bytes(broken)
        try:
            compared = tb.compare(tb.read_runs(folder))
        except Exception as error:
            yield f"edit {number} of {part}: {type(error).__name__}: {error}"
            continue
        if "ftjob-a" not in set(compared.frame["id"]):
            yield f"edit {number} of {part}: the other run is lost"
        yield from _foreign(
            f"edit {number} of {part}",
            one=lambda: tb.read_run(folder / "b"),
            shown=lambda: (repr(compared), compared._repr_html_()),  # noqa: B023
            json=lambda: json.dumps(compared.to_json(), allow_nan=False),  # noqa: B023
            frames=lambda: frames(compared),  # noqa: B023
            runs=lambda: [(repr(run), run._repr_html_()) for run in compared.runs],  # noqa: B023
            report=lambda: number % report_every or tb.write_report(compared, folder / "report.html"),  # noqa: B023
        )


def _written(part, value):
    if isinstance(value, str):
        return value.encode()
    if part == "events.jsonl" and isinstance(value, list):
        return b"".join(_json(line) + b"\n" for line in value)
    return _json(value)


def _foreign(where, **uses):
    for name, use in uses.items():
        try:
            use()
        except TunebookError:
            pass
        except Exception as error:
            yield f"{where}: {name}: {type(error).__name__}: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--edits", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        wrong = [f"manifest, {told}" for told in sweeps(Path(folder, "sweep"), options.edits, options.seed)]
        wrong += [f"run, {told}" for told in runs(Path(folder, "runs"), options.edits // 5, options.seed)]
    print(f"{options.edits} edits of a manifest, {options.edits // 5} of a run folder: {len(wrong)} foreign exceptions")
    print("\n".join(line[:300] for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
