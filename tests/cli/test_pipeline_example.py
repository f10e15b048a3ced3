"""The example of a pipeline, .github/workflows/pipeline.yml, run here step by step as the runner would."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".github" / "workflows" / "pipeline.yml"
BASH = shutil.which("bash")

pytestmark = [
    pytest.mark.skipif(not EXAMPLE.is_file(), reason="the source distribution has no dot folders"),
    pytest.mark.skipif(BASH is None or os.name != "posix", reason="its steps are written for bash"),
]


def test_its_steps_check_plan_train_and_report_and_end_well(tmp_path):
    (tmp_path / "data").symlink_to(ROOT / "data")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("AZURE_")}
    environ |= {
        "TUNEBOOK_STATE": str(tmp_path / "state"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    steps = yaml.safe_load(EXAMPLE.read_text())["jobs"]["tune"]["steps"]
    done = {}
    for step in steps:
        if "run" in step and step["name"] != "Install":
            shell = [BASH, "-e", "-o", "pipefail", "-c", step["run"]]
            done[step["name"]] = subprocess.run(
                shell, cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
            )

    assert {name: step.returncode for name, step in done.items()} == dict.fromkeys(done, 0)
    assert "overfitting" not in done["Fail on overfitting"].stdout
    assert len(json.loads((tmp_path / "tuning" / "plan.json").read_text())["jobs"]) == 4
    assert (tmp_path / "tuning" / "report.html").stat().st_size > 50_000
