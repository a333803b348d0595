"""The Heads view: what it says of a gallery that cannot be read so, and what it shows of one that can."""

from core.edits.heads import HeadLeans, HeadPull
from core.statistics import Estimate
from core.ui.neurons.heads import FOUND
from core.ui.session.state import KEY
from tests.ui.neurons.test_neuron_pages import fine, opened
from tests.ui.test_pages import texts

PULLS = (
    HeadPull(1, 0, Estimate(0.4, 0.3, 0.5, 60), 0.8, 0.9, True),
    HeadPull(0, 1, Estimate(-0.1, -0.2, 0.0, 60), -0.2, -0.1, False),
    HeadPull(0, 0, Estimate(0.05, 0.0, 0.1, 60), 0.1, 0.1, False),
    HeadPull(1, 1, Estimate(0.0, 0.0, 0.0, 60), 0.0, 0.1, False),
)
FOUND_HERE = HeadLeans(
    "a photo of a doctor",
    "gender",
    "Male",
    Estimate(0.5, 0.4, 0.6, 60),
    Estimate(0.15, 0.1, 0.2, 60),
    PULLS,
    (2, 2),
    60,
    {},
)


def test_a_model_without_heads_is_named(world: dict[str, str]) -> None:
    page = opened(world, "searched", **{"neurons-view": "heads"})
    assert "is a sum of what its attention heads" in fine(page)
    next(one for one in page.button if one.label == "Read the heads").click()
    page.run()
    assert not page.exception and "the heads cannot be read" in texts(page)


def test_heads_are_shown_with_their_parts_and_intervals(world: dict[str, str]) -> None:
    page = opened(world, "searched", **{"neurons-view": "heads"})
    FOUND.put(page.session_state[KEY], FOUND_HERE)
    page.run()
    shown = fine(page)
    assert "higher by 0.500 (+0.400 to +0.600) on average" in shown
    assert "Head ablation would silence layer 1, head 0." in shown
    assert "All heads together add +0.350, the other parts of the model +0.150" in shown
    assert "| 1 | 0 | +0.400 | +0.300 to +0.500 | 80% | yes |" in shown
    assert page.get("plotly_chart")
