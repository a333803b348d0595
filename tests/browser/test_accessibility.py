"""Every page in both themes by the rules of axe-core, one first-level heading, nothing wider than a phone."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser import serving

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

EXCEPTIONS = json.loads((Path(__file__).parent / "axe-exceptions.json").read_text())
"""Faults of Streamlit's own elements, at most three rules: which rule, where, and why."""
MOST_EXCEPTIONS = 3
ASKED = "q=a+photo+of+a+doctor&edit=image:3,7"
VIEWS = (
    *("", "?view=uploads", "?demo=3", "neurons", "neurons?neuron=image:3"),
    "neurons?view=direction&direction=text&q=a+photo+of+a+doctor",
    *("label", "label?view=agreement", "label?view=mine"),
    *(f"compare?{ASKED}", f"compare?{ASKED}&view=numbers", f"compare?{ASKED}&view=cost"),
    *(f"compare?{ASKED}&view=beside", f"compare?{ASKED}&view=engine"),
    *("ask", "report", "benchmark", "models", "data_and_models", "data_and_models?view=quality"),
    *("data_and_models?view=machine", "guide?topic=words"),
)
PHONE = {"width": 420, "height": 800}


def excepted(rule: str, page: Page, selector: str) -> bool:
    found = [e for e in EXCEPTIONS if e["rule"] == rule]
    matches = "([at, is]) => document.querySelector(at).matches(is)"
    return any(page.evaluate(matches, [selector, e["selector"]]) for e in found)


def violations(page: Page) -> list[str]:
    """Rule, weight and place of whatever axe finds, of any weight, without the exceptions."""
    found = axe.Axe().run(page).response["violations"]
    nodes = [(v, node) for v in found for node in v["nodes"]]
    return [
        f"{v['id']} ({v['impact']}): {node['html'][:120]} {node['failureSummary'][:160]}"
        for v, node in nodes
        if not excepted(v["id"], page, node["target"][0])
    ]


def lasting(page: Page) -> list[str]:
    """What is still found once nothing runs and nothing fades: the header's Stop button comes and goes with a run."""
    for _ in range(4):
        page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
        page.wait_for_timeout(400)
        found = violations(page)
        if not found:
            break
        page.wait_for_timeout(1500)
    return found


@pytest.mark.parametrize("view", VIEWS)
def test_a_page_is_for_everybody(page: Page, address: str, view: str) -> None:
    serving.open_page(page, f"{address}/{view}")
    assert page.locator("h1").count() == 1
    assert lasting(page) == []
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'")
    assert lasting(page) == []
    page.set_viewport_size(PHONE)
    wide = "Math.max(document.scrollingElement.scrollWidth, document.querySelector('[data-testid=stMain]').scrollWidth)"
    page.wait_for_function(f"{wide} <= {PHONE['width']}", timeout=10_000)


def test_the_exceptions_are_few_and_say_why() -> None:
    assert len({e["rule"] for e in EXCEPTIONS}) <= MOST_EXCEPTIONS
    assert all(set(e) == {"rule", "selector", "reason"} and len(e["reason"]) > 40 for e in EXCEPTIONS)
