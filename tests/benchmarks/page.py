"""`page`: in a real browser, default gallery: a switch on Compare, its bytes, the change of pages, the first screen.

The first screen of a cold server stands beside that of Streamlit's own hello page, both in one run, in turns. `--runs`
are the switches; of the others there are fewer.
"""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.ui.parts import answer_first
from tests.benchmarks._tab import Tab
from tests.benchmarks.crowd import processor_s
from tests.browser import serving

MEDIAN_MS, P95_MS, PAGE_MS, HELLO = 150, 250, 300, 2.0
"""What is asked of a switch, of a change of pages, and of the first screen in first screens of Streamlit's hello."""
COLD, ROUNDS = 3, 3
"""Cold starts of each side, and rounds through the pages."""
PAGES = ("Start", "Neurons", "Compare", "Report")

ARMED = """
() => {
  // Waits, inside the page, for what a person sees: another sentence, its bars, and every picture of the new grids.
  const sentence = () => [...document.querySelectorAll('[data-testid=stMarkdownContainer]')]
    .map(e => e.textContent).find(t => t.includes('nearest to'));
  // the marks and numbers alone: small print names the switched neurons, whatever is drawn
  const bars = () => [...document.querySelectorAll('.st-key-shares .row')].map(e => e.innerHTML).join();
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
TURNED = """
() => {
  // Waits for another heading, nothing that runs, and every picture.
  const heading = () => document.querySelector('h1')?.textContent;
  const old = heading();
  window.measured = new Promise(done => {
    document.addEventListener('click', () => {
      const start = performance.now();
      const look = () => {
        const still = !document.querySelector('[data-testid=stStatusWidget]');
        if (heading() && heading() !== old && still && [...document.images].every(i => i.complete))
          requestAnimationFrame(() => done(performance.now() - start));
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }, {capture: true, once: true});
  });
}
"""
SHOWN = """
() => document.querySelector('h1') && !document.querySelector('[data-testid=stStatusWidget]')
  && [...document.images].every(i => i.complete) && performance.now()
"""


def run(runs: int = 20) -> dict[str, Any]:
    """Milliseconds of `runs` switches, each the other way than the one before, after two to warm up; then the rest."""
    reason = serving.why_not()
    if reason:
        return {"skipped": reason, "runs": 0}
    with serving.served() as address, serving.browser() as opened:
        page = opened.new_page(viewport=serving.SIZE)
        serving.open_compare(page, address)
        times = [_switch(page) for _ in range(runs + 2)][2:]
        turned = [_turn(page, title) for _ in range(ROUNDS + 1) for title in PAGES][len(PAGES) :]
        sent = _sent(address)
    median, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    return {
        "ours": {"median_ms": round(median, 1), "p95_ms": round(p95, 1)},
        "min_ms": round(min(times), 1),
        "max_ms": round(max(times), 1),
        "target_ms": {"median": MEDIAN_MS, "p95": P95_MS},
        "runs": runs,
        "what": "click on a neuron's switch to new sentence, bars and pictures drawn; headless chromium",
        "pages": {"median_ms": round(statistics.median(turned), 1), "target_ms": PAGE_MS, "n": len(turned)},
        "bytes": sent,
        "first screen": _against_hello(),
    }


def _switch(page: Any) -> float:
    took = _measured(page, ARMED, page.locator("[class*=st-key-switch-image-] label").first.click)
    page.wait_for_timeout(2 * answer_first.PAUSE_MS)  # what follows an answer belongs to no switch
    serving.settle(page)
    return took


def _turn(page: Any, title: str) -> float:
    return _measured(page, TURNED, page.get_by_role("link", name=title, exact=True).first.click)


def _measured(page: Any, armed: str, click: Callable[[], None]) -> float:
    page.evaluate(armed)
    click()
    took = page.evaluate("window.measured")
    serving.settle(page)
    return float(took)


def _sent(address: str) -> dict[str, int]:
    """Bytes over the websocket: of a page that is opened, run again unchanged, and switched."""
    with Tab(address) as tab:
        tab.compare()
        found = {"opened": tab.came}
        for _ in range(2):
            tab.again()
        found["unchanged"] = tab.came
        run = tab.toggle()
        found["switched for the first time"] = tab.came
        for _ in range(2):
            tab.rest(run)
            run = tab.toggle()
        found["switched again"] = tab.came
        tab.rest(run)
        return found | {"what follows": tab.came}


def _against_hello() -> dict[str, Any]:
    """Milliseconds and processor seconds until a cold server's first page is there, ours and Streamlit's hello."""
    import streamlit.hello

    sides = {"ours": "app.py", "hello": str(Path(streamlit.hello.__file__).with_name("streamlit_app.py"))}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(COLD):
        for name, script in sides.items():
            found[name].append(_cold(script))
    medians = {
        name: {
            "median_ms": round(statistics.median(ms for ms, _ in own), 1),
            "processor_s": round(statistics.median(seconds for _, seconds in own), 2),
        }
        for name, own in found.items()
    }
    pairs = list(zip(found["ours"], found["hello"], strict=True))
    ratio = statistics.median(ours / hello for (ours, _), (hello, _) in pairs)
    processor = statistics.median(ours / hello for (_, ours), (_, hello) in pairs)
    return medians | {"ratio": round(ratio, 2), "processor ratio": round(processor, 2), "target": HELLO}


def _cold(script: str) -> tuple[float, float]:
    """From the address typed to the heading with nothing left to run; the server's processor time for it."""
    server, address = serving.start(script)
    try:
        with serving.browser() as opened:
            page = opened.new_page(viewport=serving.SIZE)
            page.set_default_timeout(serving.WAIT_MS)
            before = processor_s(server.pid)
            page.goto(address)
            shown = page.wait_for_function(SHOWN, polling="raf").json_value()
            return float(shown), processor_s(server.pid) - before
    finally:
        server.terminate()
        server.wait(timeout=20)
