"""Installs a built wheel in an empty environment and checks what a person gets: `python .github/check_wheel.py dist`.

`tunebook lab` has to lay out the notebooks and their data, the command has to answer, and nothing of the repository may
be needed for it.
"""

from __future__ import annotations

import filecmp
import os
import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]


def main(dist: Path) -> None:
    (wheel,) = dist.resolve().glob("*.whl")
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        away = Path(folder)
        venv.create(away / "venv", with_pip=True)
        bin_ = away / "venv" / ("Scripts" if os.name == "nt" else "bin")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TUNEBOOK"))}

        def run(*command: str | Path) -> str:
            given = [str(bin_ / command[0]), *map(str, command[1:])]
            done = subprocess.run(given, cwd=away, env=clean, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
            return done.stdout.strip()

        run("python", "-m", "pip", "install", "--quiet", wheel)
        version = run("python", "-c", "import tunebook; print(tunebook.__version__)")
        if version != wheel.name.split("-")[1]:
            raise SystemExit(f"{wheel.name} says that it is {version}")
        # JupyterLab says its version and ends; by then the notebooks are laid out.
        run("tunebook", "lab", "--folder", away / "mine", "--version")
        for part, pattern in (("notebooks", "*.ipynb"), ("data", "*.jsonl")):
            names = sorted(path.name for path in (ROOT / part).glob(pattern))
            _, differ, missing = filecmp.cmpfiles(ROOT / part, away / "mine" / part, names, shallow=False)
            if differ or missing or not names:
                raise SystemExit(f"{part}: of {names} not as in the repository {differ}, not laid out {missing}")
            print(f"{part}: {len(names)} of {len(names)} {pattern}")
    print(f"{wheel.name}: good.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
