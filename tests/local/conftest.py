"""The service that the tests of this folder talk to."""

import shutil
import tempfile

import pytest
from embedded import start_service


@pytest.fixture(scope="session")
def service():
    """One service for all tests that need nothing special: azure dialect, as fast as it can, large quotas."""
    state = tempfile.mkdtemp(prefix="tunebook-test-")
    roomy = [f"--limit={name}=100000" for name in ("jobs_per_resource", "queued_jobs", "files_per_resource")]
    running = start_service(state, "--idle", 600, *roomy)
    yield running
    running.stop()
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture
def start(tmp_path):
    """Start services with options of one's own; all are stopped at the end."""
    started = []

    def begin(*options, state=None):
        started.append(start_service(state or tmp_path / "state", *options))
        return started[-1]

    yield begin
    for running in started:
        if running.process.poll() is None:
            running.kill()
