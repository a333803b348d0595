"""Figures as they are drawn: no label over another, none cut off, on a phone, a projector and a wide screen."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser import drawn, serving

ASKED = "q=a+photo+of+a+doctor&edit=image:3,7"
FIGURES = {
    f"compare?{ASKED}&attribute=gender+x+age&view=numbers": 2,
    **{f"compare?{ASKED}&view={view}": count for view, count in (("prompts", 2), ("beside", 2), ("sweep", 2))},
    **{f"compare?{ASKED}&view={view}": count for view, count in (("controls", 2), ("cost", 4))},
    "compare?q=a+photo+of+a+doctor&view=why": 3,
    **{f"compare?gallery={{scenes}}&q=a+photo+of+a+doctor&k=20&view={view}": 2 for view in ("scenes", "robustness")},
    "neurons?neuron=image:3": 3,
    "neurons?view=direction": 1,
    "ask": 2,
    "benchmark": 1,
}
"""View -> figures that it draws at least."""
PRESSED = {"robustness": "Ask it otherwise"}
"""End of a view -> the button that draws its figure."""
WIDTHS = {1280: ("light", "dark"), 1920: ("dark",), 420: ("dark",)}
"""Width -> themes, in an order that changes one thing at a time. Where labels lie depends on no theme: one width in
both is enough to see that."""
HEIGHT = 900


def faults(page: Page) -> list[str]:
    """What is wrong at each width and in each theme."""
    found = []
    for width, themes in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for theme in themes:
            page.emulate_media(color_scheme=theme)
            drawn.rest(page)
            labels, wrong = drawn.faults(page)
            assert labels, (theme, width)
            found += [f"{theme}, {width}: {line}" for line in wrong]
    return found


@pytest.mark.parametrize("view", FIGURES)
def test_no_label_lies_over_another_and_none_is_cut_off(page: Page, address: str, scenes: Path, view: str) -> None:
    page.set_viewport_size({"width": 1280, "height": HEIGHT})
    serving.open_page(page, f"{address}/{view.format(scenes=scenes)}")
    for button in (name for end, name in PRESSED.items() if view.endswith(end)):
        page.get_by_role("button", name=button).click()
    page.wait_for_function(
        "least => document.querySelectorAll('.js-plotly-plot, .shares').length >= least", arg=FIGURES[view]
    )
    assert faults(page) == []


def test_faults_are_found(page: Page) -> None:
    """Two labels over each other, one that is cut off, and two that only stand close."""
    page.set_viewport_size({"width": 420, "height": HEIGHT})
    page.set_content(
        '<svg width="200" height="100"><text x="10" y="20">one</text><text x="14" y="24">other</text>'
        '<text x="180" y="60">much too long</text><text x="10" y="80">near</text><text x="60" y="80">by</text></svg>'
    )
    labels, wrong = drawn.faults(page)
    assert labels == 5 and len(wrong) == 2
    assert "“one” over “other”" in wrong[1] and "“much too long” is cut right" in wrong[0]
