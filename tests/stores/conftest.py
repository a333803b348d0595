"""A PostgreSQL with pgvector of these tests' own: the one that the environment names, or one from a wheel."""

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from tests.stores.making import DATABASES, FILES, SERVER, Maker, missing


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a running server."""
    if "UNSKEW_TEST_POSTGRES" in os.environ:
        yield os.environ["UNSKEW_TEST_POSTGRES"]
        return
    server = pytest.importorskip(SERVER, reason="no PostgreSQL with pgvector is here")
    folder = tempfile.mkdtemp(prefix="unskew-pg")
    os.chmod(folder, 0o755)  # the server runs as a user of its own where the tests are root
    running = server.get_server(folder)
    os.environ["UNSKEW_TEST_POSTGRES"] = running.get_uri()
    yield os.environ.pop("UNSKEW_TEST_POSTGRES")
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=[*(maker.name for maker in FILES), *DATABASES])
def maker(request: pytest.FixtureRequest) -> Iterator[Maker]:
    """Every kind of store in turn; one whose library is not here is skipped and says so."""
    name = request.param
    if name not in DATABASES:
        yield next(one for one in FILES if one.name == name)
        return
    if why := missing(name):
        pytest.skip(why)
    if name == "postgresql":
        uri = request.getfixturevalue("postgres")
        before = os.environ.get("UNSKEW_TEST_POSTGRES")
        os.environ["UNSKEW_TEST_POSTGRES"] = uri
        yield DATABASES[name]
        if before is None:
            os.environ.pop("UNSKEW_TEST_POSTGRES", None)
        return
    yield DATABASES[name]
