"""The table of a job's settings: a hyperparameter that is added to it is known everywhere."""

import json
import subprocess
import sys

from tunebook.fields import settings

ROW = """
    warmup_share: float | Auto = _hyperparameter(
        Number(high=1), methods=("supervised", "dpo"), advice="How slowly it begins.", log_scaled=True
    )
"""
# A process of its own, in which fields.py has one row more; no other file is touched.
WITH_ONE_MORE = """
import importlib.util, json, sys
from datetime import date

spec = importlib.util.find_spec("tunebook.fields")
source = open(spec.origin, encoding="utf-8").read()
changed = source.replace("    seed: int | None", sys.argv[1] + "    seed: int | None", 1)
assert changed != source
sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
exec(compile(changed, spec.origin, "exec"), module.__dict__)

import tunebook as tb
from tunebook.analysis.sweeps.scales import scale_for
from tunebook.catalogue import load_catalogue
from tunebook.experiments.sweeps.plan import grid
from tunebook.widgets.form.fields import grouped, make_fields
from tunebook.widgets.form.state import resolve
from tunebook.widgets.form.values import FormValues, values_of_job

base = dict(model="gpt-4.1-nano", training_file="file-1")
request = tb.JobRequest(**base, warmup_share=0.3)
shown = resolve(FormValues(warmup_share="0.3"), load_catalogue(), today=date(2026, 11, 1))
widgets = make_fields()
rows = {name: name for name in (*widgets, "training", "validation")}
print(json.dumps({
    "sent": request.to_json()["method"]["supervised"],
    "python": "warmup_share=0.3," in request.to_python(),
    "refused": [str(p) for p in tb.JobRequest(**base, warmup_share=2).problems()],
    "of another method": tb.JobRequest(**base, method="reinforcement", warmup_share=0.3).hyperparameters,
    "label": widgets["warmup_share"].description,
    "in its group": "warmup_share" in grouped(rows),
    "note": [note.text for note in shown.notes["warmup_share"]],
    "read": shown.request.warmup_share,
    "again": values_of_job(request.to_json())["warmup_share"],
    "swept": grid({"warmup_share": [0.1, 0.2]}),
    "scale": scale_for("warmup_share", [0.1, 0.2]).kind,
}))
"""


def test_a_hyperparameter_of_the_api_is_one_row() -> None:
    done = subprocess.run([sys.executable, "-c", WITH_ONE_MORE, ROW], capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "sent": {"hyperparameters": {"warmup_share": 0.3}},
        "python": True,
        "refused": ['warmup_share: 2 is not a number above 0, at most 1. Give one, or "auto".'],
        "of another method": {},
        "label": "warmup_share",
        "in its group": True,
        "note": ["How slowly it begins."],
        "read": 0.3,
        "again": "0.3",
        "swept": [{"warmup_share": 0.1}, {"warmup_share": 0.2}],
        "scale": "log",
    }


def test_what_is_swept_over_factors_has_a_log_scale() -> None:
    assert [name for name, setting in settings().items() if setting.log_scaled] == [
        "batch_size",
        "learning_rate_multiplier",
        "beta",
        "l2_multiplier",
    ]
