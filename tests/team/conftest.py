"""What a team server stands beside: a PostgreSQL of the tests' own, a provider of identities, nginx."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.team.postgres import Server, why_not


@pytest.fixture(scope="session")
def database_server() -> Iterator[Server]:
    """A running PostgreSQL that may be killed."""
    if why := why_not():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="unskew-pg", dir="/tmp"))
    server = Server(folder)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_database(database_server: Server) -> str:
    """Address of an empty database."""
    return database_server.database(f"test_{uuid.uuid4().hex[:12]}")
