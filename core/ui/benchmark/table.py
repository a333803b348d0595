"""The table of the Benchmark page: methods as rows, with intervals, the main columns first, or all of it as colours."""

import html
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from core.verdicts import of_items

if TYPE_CHECKING:
    from core.benchmark import BenchmarkResult, Cell, Column

STYLE = """<style>
.benches{overflow-x:auto}
.bench{border-collapse:collapse;width:100%;font-size:.84rem;font-variant-numeric:tabular-nums}
.bench th,.bench td{padding:.26rem .28rem;text-align:right;border-bottom:1px solid rgba(125,133,144,.28);
vertical-align:top;line-height:1.25}
.bench th:first-child,.bench td:first-child{text-align:left;max-width:12.5rem;position:sticky;left:0;
background:light-dark(#fcfcfb, #15191e);z-index:1}
@media (max-width:640px){.bench th:first-child,.bench td:first-child{max-width:7rem}}
.bench .heat{text-align:center;vertical-align:middle;border-left:1px solid rgba(125,133,144,.28)}
.bench thead th{position:sticky;top:0;font-weight:600;vertical-align:bottom;border-bottom-width:2px}
.bench small{opacity:.72;font-size:.7rem;white-space:nowrap;display:block}.bench .best{font-weight:700}
.bench .none{opacity:.8;text-align:left}
</style>"""
MAIN = 5
"""Columns that are shown first, on a projector without scrolling."""
HEAT = {"better": "rgba(31,131,196,{})", "worse": "rgba(217,127,0,{})"}
"""Blue and orange, as in every figure; each cell holds its number."""
STRONGEST = 0.55
"""Opacity of the colour of the best and of the worst cell of a column: its number is read on it in both themes."""


def main(result: "BenchmarkResult") -> list["Column"]:
    """The columns to read first, in the table's order: what ranks, the skew, the price, then the next ones."""
    from core.benchmark import PROTOCOLS

    protocol = PROTOCOLS.get(result.protocol)
    first = [c for c in result.columns if c.key in (protocol.ranks, protocol.skew, protocol.cost)]
    chosen = [*first, *(c for c in result.columns if c not in first)][:MAIN]
    return [c for c in result.columns if c in chosen]


def table_html(result: "BenchmarkResult", columns: Sequence["Column"] | None = None, kind: str = "images") -> str:
    """The table: a number with its interval below, the best of a column bold, methods without numbers left out.

    Parameters
    ----------
    columns : those to show; None: all.
    kind : what the measured gallery holds.
    """
    from core.benchmark import find_arm

    shown, columns = numbered(result), columns or result.columns
    best = {column.key: _best(shown, column) for column in columns}
    rows = []
    for number, cell in enumerate(shown, 1):
        arm = find_arm(cell.arm)
        numbers = []
        for column in columns:
            e = cell.values[column.key]
            if e.estimate is None:
                numbers.append(f'<td class="none" title="{html.escape(e.reason or "")}">not computed</td>')
                continue
            mark = ' class="best"' if round(e.estimate, column.digits) == best[column.key] else ""
            value = _read(e.estimate, column.digits)
            ends = (
                "" if e.lo is None or e.hi is None else f"{_read(e.lo, column.digits)} to {_read(e.hi, column.digits)}"
            )
            about = f"n = {e.n}" + (f"; a blind draw shows {e.null.lo:.2f} to {e.null.hi:.2f}" if e.null else "")
            numbers.append(f'<td title="{about}"><span{mark}>{value}</span><small>{ends}</small></td>')
        name = f'<td title="{html.escape(arm.words)}">{number}. {html.escape(arm.title)}</td>'
        rows.append(f"<tr>{name}{''.join(numbers)}</tr>")
    return _framed(columns, rows, kind)


def _framed(columns: Sequence["Column"], rows: Sequence[str], kind: str) -> str:
    """Rows under the heads of their columns, in a frame that scrolls where the window is narrow."""
    heads = "".join(
        f'<th title="{html.escape(of_items(c.words, kind))}">{html.escape(of_items(c.title, kind))}'
        f"<small>{html.escape(c.better)}</small></th>"
        for c in columns
    )
    head = f"<thead><tr><th>Method</th>{heads}</tr></thead>"
    table = f'<table class="bench">{head}<tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="benches" tabindex="0" role="region" aria-label="Methods">{table}</div>'


def heat_html(result: "BenchmarkResult", kind: str = "images") -> str:
    """Every number of every method as a coloured cell: blue better than the original, orange worse."""
    from core.benchmark import find_arm

    shown = numbered(result)
    original = next((cell for cell in shown if cell.arm == "identity"), None)
    gains = {column.key: [_gain(cell, original, column) for cell in shown] for column in result.columns}
    rows = []
    for place, cell in enumerate(shown):
        cells = []
        for column in result.columns:
            value, gain = cell.values[column.key].estimate, gains[column.key][place]
            largest = max((abs(g) for g in gains[column.key] if g is not None), default=0.0)
            if value is None:
                cells.append('<td class="heat">–</td>')
                continue
            strength = 0.0 if not gain or not largest else STRONGEST * abs(gain) / largest
            colour = HEAT["better" if (gain or 0) > 0 else "worse"].format(f"{strength:.2f}")
            text = _read(value, min(column.digits, 2))
            cells.append(f'<td class="heat" style="background:{colour}">{text}</td>')
        arm = find_arm(cell.arm)
        name = f'<td title="{html.escape(arm.words)}">{place + 1}. {html.escape(arm.title)}</td>'
        rows.append(f"<tr>{name}{''.join(cells)}</tr>")
    return _framed(result.columns, rows, kind)


def _gain(cell: "Cell", original: "Cell | None", column: "Column") -> float | None:
    """How much better a cell is than the original's, in the column's own unit; None where one of them has no number."""
    values = [one.values[column.key].estimate if one is not None else None for one in (cell, original)]
    worth = [None if value is None else _worth(column, value) for value in values]
    return None if worth[0] is None or worth[1] is None else worth[0] - worth[1]


def _worth(column: "Column", value: float) -> float:
    """A number so that more is better."""
    return {"lower": -value, "higher": value}.get(column.better, -abs(value - 0.5))


def numbered(result: "BenchmarkResult") -> list["Cell"]:
    """Cells with numbers, the untouched model first, then by how much lean they remove at equal cost, most first: their
    order is their number.
    """
    from core.benchmark import PROTOCOLS

    protocol = PROTOCOLS.get(result.protocol)
    shown = [cell for cell in result.cells if not cell.refused and cell.values[protocol.skew].estimate is not None]

    def place(cell: "Cell") -> tuple[bool, float, str]:
        removed = cell.values[protocol.ranks].estimate
        return cell.arm != "identity", math.inf if removed is None else -removed, cell.arm

    return sorted(shown, key=place)


def _best(cells: Sequence["Cell"], column: "Column") -> float | None:
    """The best number of a column; None where the untouched model already has it, which is no merit of a method."""
    numbers = {cell.arm: cell.values[column.key].estimate for cell in cells}
    rounded = {arm: round(value, column.digits) for arm, value in numbers.items() if value is not None}
    if not rounded:
        return None
    best = max(rounded.values(), key=partial(_worth, column))
    return None if best == rounded.get("identity") else best


def _read(value: float, digits: int) -> str:
    """A number without the sign of a rounded zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"
