"""What the tests of this room share: the tuned model of all tests and its base, deployed side by side."""

import pytest


@pytest.fixture(scope="session")
def pair(service, tuned):
    """Names of two deployments at the embedded service: the base model, and the one that learned the colours."""
    from tunebook.service import connect

    ws = connect(service.endpoint, api_key=service.api_key, environ={})
    ws.poll_interval_s = (0.02, 0.1)
    ws.deployments.create("gpt-4.1-nano", name="colours-base", say=str)
    ws.deployments.create(ws.jobs.retrieve(tuned[0]), name="colours-tuned", say=str)
    return "colours-base", "colours-tuned"
