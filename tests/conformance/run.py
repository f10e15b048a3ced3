"""Run foreign clients against the embedded service, each in an environment of its own.

    python tests/conformance/run.py [NAME …] [--keep DIR]

openai   the openai SDK's own test suite (`run_openai_sdk_tests.py`)
litellm  litellm's Azure provider
node     openai-node, where `node` and `npm` are installed
wandb    Weights & Biases' sync of a job, offline

They are fetched from the package registries, so this is no part of pytest; `--keep` keeps the environments for the next
time. Prints what each step did, and a table at the end; exits with 1 when a step failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).parent
PYTHONS = {"litellm": ("litellm_azure.py", "litellm"), "wandb": ("wandb_sync.py", "wandb")}
NAMES = ("openai", "litellm", "node", "wandb")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--keep", type=Path, help="folder for the environments")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"{sorted(unknown)[0]!r} is not one of {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        rows = [row for name in options.names or NAMES for row in results(name, folder / name)]
    print("\n| client | version | steps | failed |\n|---|---|---|---|")
    print("\n".join(f"| {' | '.join(map(str, row))} |" for row in rows))
    return int(any(row[-1] not in ("none", "-") for row in rows))


def results(name, folder):
    """Rows of the table: (client, version, steps, which failed)."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "openai":
        command = [sys.executable, HERE / "run_openai_sdk_tests.py", "--keep", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout)
        endings = [line for line in done.stdout.splitlines() if " passed" in line or " failed" in line]
        version = next((path.name.removeprefix("openai-") for path in folder.glob("openai-*.*.*[0-9]")), "?")
        return [("openai SDK's own tests", version, "; ".join(endings), "none" if not done.returncode else "see above")]
    if name == "node":
        if not (shutil.which("node") and shutil.which("npm")):
            return [("openai-node", "-", "node is not installed", "-")]
        if not (folder / "node_modules").exists():
            subprocess.run(["npm", "install", "--silent", "--prefix", folder, "openai"], check=True)
        version = json.loads((folder / "node_modules" / "openai" / "package.json").read_text())["version"]
        script = shutil.copy(HERE / "clients" / "openai_node.mjs", folder)  # packages are found beside the script
        return [("openai-node", version, *told(["node", script]))]
    script, package = PYTHONS[name]
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", package, "openai"], check=True)
    ask = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    version = subprocess.run([python, "-c", ask], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return [(script.partition(".")[0].replace("_", " "), version, *told([python, HERE / "clients" / script]))]


def told(command):
    """(how many steps went well, which failed) of a client at a new service."""
    with tempfile.TemporaryDirectory() as state:
        serve = [sys.executable, "-m", "tunebook_local", "--state", state, "--json"]
        service = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        try:
            record = json.loads(service.stdout.readline())
            own = {"ENDPOINT": record["endpoint"], "KEY": record["api_key"], "PYTHONPATH": ""}
            own |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": state}
            kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AZURE_"))}
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=kept | own)
        finally:
            service.terminate()
            service.wait(20)
    print(done.stdout, flush=True)
    lines = done.stdout.splitlines()
    failed = [line.removeprefix("FAILED ").partition(":")[0] for line in lines if line.startswith("FAILED ")]
    if done.returncode and not failed:
        failed = [f"ended with {done.returncode}"]
    return sum(line.startswith("ok ") for line in lines), ", ".join(failed) or "none"


if __name__ == "__main__":
    sys.exit(main())
