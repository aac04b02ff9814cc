"""A server of both services, anew for each test."""

import pytest

from tests.helpers.services import serving


@pytest.fixture
def services():
    with serving() as services:
        yield services
