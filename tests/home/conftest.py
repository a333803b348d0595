"""The default gallery's edit for one search, exported once; the PostgreSQL of the stores' tests."""

from pathlib import Path

import pytest

from core.cli import main
from tests.stores.conftest import postgres

__all__ = ["postgres"]
QUERY = "a photo of a doctor"


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `edit export --smallest` writes."""
    out = tmp_path_factory.mktemp("edits") / "doctor"
    asked = ["--gallery", "default", "--sae", "default-image", "--attribute", "gender", "--query", QUERY, "--smallest"]
    assert main(["edit", "export", *asked, "--out", str(out)]) == 0
    return out
