"""The contrary server, and a workspace at it that looks often."""

import pytest
from contrary import Contrary

from tunebook.service import connect


@pytest.fixture
def world():
    server = Contrary()
    yield server
    server.close()


@pytest.fixture
def there(world):
    ws = connect(world.url, api_key="k", environ={})
    ws.poll_interval_s = (0.01, 0.04)
    return ws
