"""The package is typed for its users: the README's lines pass the strict checkers as they stand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def lines(tmp_path):
    """The README's first Python block as a user's own file, in a folder that knows nothing of this project."""
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block
    file = tmp_path / "mine.py"
    file.write_text(block[1], "utf-8")
    return file


def test_the_readmes_lines_pass_mypy_strict(lines):
    # Of the other packages nothing is read: that takes a minute and says nothing of this one's names.
    options = ["--strict", "--follow-imports=silent", "--no-site-packages", "--ignore-missing-imports"]
    command = [sys.executable, "-m", "mypy", *options, f"--cache-dir={lines.parent}", lines]
    environment = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=lines.parent, env=environment, check=False)

    assert (done.returncode, done.stdout) == (0, "Success: no issues found in 1 source file\n")


@pytest.mark.skipif(not shutil.which("basedpyright"), reason="basedpyright is not installed: pip install basedpyright")
def test_the_readmes_lines_pass_pyright(lines):
    command = ["basedpyright", "--level", "error", "--pythonpath", sys.executable, lines]
    done = subprocess.run(command, capture_output=True, text=True, cwd=lines.parent, check=False)

    assert "0 errors" in done.stdout


@pytest.mark.parametrize("package", sorted(path.parent.name for path in (ROOT / "src").glob("tunebook/*/__init__.pyi")))
def test_every_name_of_a_stub_loads(package):
    module = __import__(f"tunebook.{package}", fromlist=["__all__"])

    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []
