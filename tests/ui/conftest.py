"""What tests of pages share: a small world, and its model in the place of a real one."""

from collections.abc import Iterator
from functools import cache as remembered

import pytest
from streamlit.components.v2 import manifest_scanner

from core.ui.session import cache
from tests.ui.world import SmallModel, make_world


@pytest.fixture(scope="session", autouse=True)
def packages_are_read_once() -> Iterator[None]:
    """Every AppTest would look through all installed packages for components, most of the time that it takes."""
    patch = pytest.MonkeyPatch()
    patch.setattr(manifest_scanner, "scan_component_manifests", remembered(manifest_scanner.scan_component_manifests))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Names of what `make_world` built -> its folder."""
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def small_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every model that is asked for is the small one; what was computed with it is forgotten afterwards."""
    monkeypatch.setattr(cache, "backbone", lambda *args, **kwargs: SmallModel())
    yield
    cache._results().clear()
