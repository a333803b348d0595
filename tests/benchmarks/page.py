"""`page`: from the click on a neuron's switch to the new pictures and figures in the browser, default gallery, warm."""

import statistics
from typing import Any

from tests.browser import serving

TARGET_MS = 500

ARMED = """
() => {
  // Waits, inside the page, for what a person sees: another sentence, its bars, and every picture of the new grids.
  const sentence = () => [...document.querySelectorAll('[data-testid=stMarkdownContainer]')]
    .map(e => e.innerText).find(t => t.includes('nearest to'));
  const bars = () => [...document.querySelectorAll('.st-key-shares .bars path, .st-key-shares .annotation-text')]
    .map(e => (e.getAttribute('d') || '') + e.textContent).join();
  const grids = '[class*=st-key-grid-before] img, [class*=st-key-grid-after] img';
  const pictures = () => [...document.querySelectorAll(grids)];
  const shown = () => pictures().map(i => i.src).join();
  const old = {sentence: sentence(), bars: bars(), shown: shown()};
  window.measured = new Promise(done => {
    document.addEventListener('click', () => {
      const start = performance.now();
      const look = () => {
        const now = sentence();
        const drawn = now && now !== old.sentence && bars() !== old.bars && shown() !== old.shown;
        if (drawn && pictures().length && pictures().every(i => i.complete && i.naturalWidth))
          requestAnimationFrame(() => done(performance.now() - start));
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }, {capture: true, once: true});
  });
}
"""


def run(runs: int = 20) -> dict[str, Any]:
    """Median time in milliseconds of `runs` switches, each the other way than the one before, after two to warm up."""
    reason = serving.why_not()
    if reason:
        return {"skipped": reason, "runs": 0}
    with serving.served() as address, serving.browser() as opened:
        page = opened.new_page(viewport=serving.SIZE)
        serving.open_compare(page, address)
        times = [_switch(page) for _ in range(runs + 2)][2:]
    return {
        "ours": {"median_ms": round(statistics.median(times), 1)},
        "min_ms": round(min(times), 1),
        "max_ms": round(max(times), 1),
        "target_ms": TARGET_MS,
        "runs": runs,
        "what": "click on a neuron's switch to new sentence, bars and pictures drawn; headless chromium",
    }


def _switch(page: Any) -> float:
    page.evaluate(ARMED)
    page.locator("[class*=st-key-switch-image-] label").first.click()
    took = page.evaluate("window.measured")
    serving.settle(page)
    return float(took)
