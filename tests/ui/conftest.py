"""What tests of pages share: a small world, and its model in the place of a real one."""

from collections.abc import Iterator

import pytest

from core.ui.session import cache
from tests.ui.world import SmallModel, make_world


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
