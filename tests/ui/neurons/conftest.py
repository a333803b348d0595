"""Neurons' pages alone with the small model: labels and maps in a folder of each test, and no UMAP on the way."""

from pathlib import Path

import pytest

from core import projection
from core.config import HOME_VARIABLE


@pytest.fixture(autouse=True)
def alone(small_model: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setattr(projection, "start", lambda *args, **kwargs: None)
    monkeypatch.setattr(projection, "running", lambda folder: True)
