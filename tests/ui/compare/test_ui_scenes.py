"""Inside scenes: a view of Compare where the gallery keeps rows together, and nowhere else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.datasets.base import DATASETS
from core.gallery import Gallery, build_gallery
from core.statistics import Estimate
from core.ui.compare import scene_charts
from core.ui.parts import provenance
from core.ui.session import results
from core.ui.session.state import KEY, AppState
from core.ui.start import overview
from tests.ui.world import SmallModel, make_gallery

pytestmark = pytest.mark.usefixtures("small_model")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Scenes of a red and a blue square on a ground of their own."""
    folder, rng, rows = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0), []
    for i in range(60):
        ground = (40 + 3 * (i // 2), 200 - 5 * (i // 2))
        Image.new("RGB", (16, 16), (ground[0], ground[1], 60 + 110 * (i % 2) + int(rng.integers(40)))).save(
            folder / f"{i}.png"
        )
        rows.append({"file": f"{i}.png", "gender": ("Female", "Male")[i % 2], "scene": f"scene {i // 2}"})
    pd.DataFrame(rows).to_csv(folder / "t.csv", index=False)
    items = DATASETS.get("folder")().items(folder, table=folder / "t.csv")
    return build_gallery(items, SmallModel(), folder / "gallery", together="scene")


def page(path: Path, attribute: str = "gender") -> AppTest:
    state = AppState(gallery=str(path), model="small", linked=True, query="a photo of a doctor", k=20)
    state.attribute = attribute
    state.filters["compare-view"] = "scenes"
    test = AppTest.from_file(str(ROOT / "pages" / "compare.py"), default_timeout=180)
    test.session_state[KEY] = state
    return test.run()


def said(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info")
    return "\n".join(str(item.value) for kind in kinds for item in test.get(kind))


def test_a_gallery_with_scenes_has_the_view(gallery: Gallery) -> None:
    shown = page(gallery.path)
    assert not shown.exception
    found = results.ranking(results.asked(shown.session_state[KEY], "gender")).scenes
    share = found.before.ahead.estimate
    ahead, behind = found.groups if share >= 0.5 else reversed(found.groups)
    assert f"Inside 30 scenes that show both, **{ahead}** is nearer to the prompt than **{behind}**" in said(shown)
    assert "Scenes are the rows with the same scene" in said(shown)


def test_a_gallery_without_has_it_not(tmp_path: Path) -> None:
    shown = page(make_gallery(tmp_path / "plain", 1).path)
    assert not shown.exception and "Inside" not in said(shown)
    assert shown.session_state[KEY].filters["compare-view"] == "pictures"


def test_what_is_loaded_says_what_is_together(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    state = AppState(gallery=str(gallery.path), model="small")
    assert provenance.loaded(state)["together"] == "by scene"
    monkeypatch.setattr(overview, "get_state", lambda: state)
    assert overview._gallery_lines()["Together"] == "by scene, 30 clusters; each in one half"


@pytest.mark.parametrize("m", [5, 400])
def test_the_figure_has_a_dot_for_every_scene(m: int) -> None:
    rng = np.random.default_rng(0)
    gaps = {"before": rng.normal(size=m), "after": rng.normal(size=m)}
    means = {"before": Estimate(0.2, n=m), "after": Estimate(-0.1, -0.3, 0.1, m)}
    figure = scene_charts.scenes(gaps, means, [f"s{i}" for i in range(m)], ("Female", "Male"))
    dots = [trace for trace in figure.data if trace.mode == "markers" and len(trace.x) == m]
    assert [list(trace.x) for trace in dots] == [own.tolist() for own in gaps.values()]
    assert any(trace.mode == "lines" for trace in figure.data) == (m <= scene_charts.LINED)
    assert "Female nearer →" in figure.layout.xaxis.title.text
