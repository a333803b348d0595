"""What a verb prints: one JSON document or readable lines on standard output, progress on standard error."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.config import KEPT, Progress

if TYPE_CHECKING:
    from tqdm import tqdm

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]

BAR_DELAY = 1.0
"""Seconds before a stage's bar is drawn: most mistakes are found by then."""


def emit(document: Mapping[str, Any], as_json: bool, lines: Callable[[], Iterator[str]] | None = None) -> None:
    """Print `document` as JSON, or the readable `lines` made from it."""
    if as_json or lines is None:
        from core.store import plain

        print(json.dumps(plain(document), ensure_ascii=False, allow_nan=False))
    else:
        for line in lines():
            print(line)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A `progress(done, total, what)` that draws on standard error, one bar for each stage named by `what`.

    Nothing is drawn of a stage that is over within BAR_DELAY, and an unfinished bar is wiped where the work fails: a
    mistake then stands alone on standard error.
    """
    bar: tqdm | None = None
    stage = ""

    def show(done: int, total: int, what: str) -> None:
        nonlocal bar, stage
        head = what.split(":")[0]
        if bar is None or head != stage:
            if bar is not None:
                bar.close()
            from tqdm import tqdm

            bar = tqdm(total=total, desc=head, file=sys.stderr, mininterval=0.5, delay=BAR_DELAY)
            stage = head
        bar.total = total
        if what.endswith(KEPT):
            bar.initial, bar.n, bar.last_print_n = bar.initial + done - bar.n, done, done  # no part of the rate
        bar.update(done - bar.n)
        if what != head:
            bar.set_postfix_str(what[len(head) + 1 :].strip(), refresh=False)

    try:
        yield show
    except BaseException:
        if bar is not None:
            bar.leave = False
        raise
    finally:
        if bar is not None:
            bar.close()


def estimate_text(estimate: Mapping[str, Any], digits: int = 3, n: bool = True) -> str:
    """ "0.920 (0.850 to 0.959, n = 100)", with or without its n, or the reason why there is no number."""
    if estimate.get("estimate") is None:
        return f"not computed: {estimate.get('reason', 'undefined')}"
    text = f"{estimate['estimate']:.{digits}f}"
    interval = ""
    if estimate.get("lo") is not None and estimate.get("hi") is not None:
        interval = f"{estimate['lo']:.{digits}f} to {estimate['hi']:.{digits}f}"
    inside = ", ".join(part for part in (interval, f"n = {estimate.get('n')}" if n else "") if part)
    return f"{text} ({inside})" if inside else text
