"""`demo`: from opening a cold server to the first neuron that is off, and to the end: seconds waited and to be read."""

from pathlib import Path
from typing import Any

from tests.browser import serving, staged

WAITED_SECONDS, WHOLE_SECONDS = 15.0, 60.0
"""Most that may be waited until the neuron is off, and most with reading."""
READ = f".st-key-stage h1, {staged.SENTENCE}"
WORDS_A_SECOND = 4.0
"""How fast people read."""
TICKS = 100.0
"""Of the kernel's clock, a second."""


def run() -> dict[str, Any]:
    """One walk on a server that nobody has used, and what it cost the server in processor time."""
    reason = serving.why_not()
    if reason:
        return {"skipped": reason, "runs": 0}
    server, address = serving.start()
    steps: list[dict[str, float]] = []
    try:
        with serving.browser() as opened:
            page = opened.new_page(viewport=serving.SIZE)
            for number, waited in staged.walked(page, address, staged.by_button):
                words = len(" ".join(page.locator(READ).all_inner_texts()).split())
                steps.append(
                    {
                        "step": number,
                        "waited_s": round(waited, 2),
                        "read_s": round(words / WORDS_A_SECOND, 1),
                        "processor_s": round(_processor(server.pid), 2),
                    }
                )
    finally:
        server.kill()
        server.wait()
    first = steps[: staged.AHA]
    waited = sum(step["waited_s"] for step in first)
    whole = waited + sum(step["read_s"] for step in first)
    return {
        "steps": steps,
        "waited until the neuron is off": round(waited, 1),
        "with reading": round(whole, 1),
        "holds": waited < WAITED_SECONDS and whole < WHOLE_SECONDS,
        "processor time until then": first[-1]["processor_s"],
        "waited in all": round(sum(step["waited_s"] for step in steps), 1),
    }


def _processor(pid: int) -> float:
    """Seconds of processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
