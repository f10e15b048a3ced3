"""Run the openai SDK's own tests against the embedded service: `python tests/conformance/run_openai_sdk_tests.py`.

They are in the SDK's source distribution, which pip fetches, of the version that is installed here (or `--version`).
They run in a virtual environment of their own, since they want other tools than ours; `--keep DIR` keeps it for the
next time. The service answers in OpenAI's dialect, for the tests assert OpenAI's literals, and knows the ids they use.
Both base URLs are tried: the bare root and /openai/v1. Needs the package registry, so it is no part of pytest.
"""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

TESTS = (
    "fine_tuning/test_jobs.py",
    "fine_tuning/jobs",
    "test_files.py",
    "test_models.py",
    "test_uploads.py",
    "uploads",
)
MORE = ("fine_tuning/alpha/test_graders.py", "chat/test_completions.py", "fine_tuning/checkpoints/test_permissions.py")
TOOLS = ("pytest", "pytest-asyncio", "pytest-xdist", "rich", "inline-snapshot", "aiohttp", "nest-asyncio2", "respx")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", default=importlib.metadata.version("openai"), help="of the SDK")
    parser.add_argument("--keep", type=Path, help="folder for the SDK's tests and their environment")
    parser.add_argument("--more", action="store_true", help="also graders, chat and permissions (not all can pass)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        source, python = prepare(folder, options.version)
        failed = False
        for base in ("", "/openai/v1"):
            with tempfile.TemporaryDirectory() as state:
                failed |= run(source, python, state, base, TESTS + (MORE if options.more else ()))
    return int(failed)


def prepare(folder, version):
    """The SDK's unpacked source and a Python that can run its tests."""
    source, environment = folder / f"openai-{version}", folder / "environment"
    if not source.exists():
        wanted = [f"openai=={version}", "--no-deps", "--no-binary", "openai"]
        command = [sys.executable, "-m", "pip", "download", "--dest", str(folder), *wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        archives = list(folder.glob(f"openai-{version}.tar.gz"))
        if not archives:
            raise SystemExit(f"pip did not fetch the source of openai {version}:\n{done.stderr.strip()}")
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder, filter="data")
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"openai=={version}", *TOOLS], check=True)
    return source, python


def run(source, python, state, base, tests):
    """Run the tests under one base URL; whether any failed."""
    command = [sys.executable, Path(__file__).with_name("fixtures.py"), "--state", state, "--json"]
    service = subprocess.Popen(
        [*command, "--key", "My API Key", "--dialect", "openai", "--limit", "files_per_resource=100000"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        endpoint = json.loads(service.stdout.readline())["endpoint"]
        print(f"== {endpoint}{base}", flush=True)
        environment = {**os.environ, "TEST_API_BASE_URL": endpoint + base, "PYTHONPATH": ""}
        chosen = [f"tests/api_resources/{test}" for test in tests]
        call = [str(python), "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "--no-header", *chosen]
        return subprocess.run(call, cwd=source, env=environment, check=False).returncode != 0
    finally:
        service.terminate()
        service.wait(20)


if __name__ == "__main__":
    sys.exit(main())
