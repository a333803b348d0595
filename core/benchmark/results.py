"""The table of a benchmark: methods by metrics by galleries, as CSV, LaTeX, JSON and a picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from core.benchmark.arms import find_arm
from core.benchmark.base import PROTOCOLS, SCHEMA, Cell, Column
from core.config import InputError
from core.figures import Picture, Series, draw_svg
from core.statistics import Estimate
from core.store import atomic_file, plain, read_json, write_json
from core.writing import frame_text

RESULT = "benchmark.json"


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """All cells of one protocol, in the order of the methods that were asked for."""

    protocol: str
    cells: tuple[Cell, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By gallery: everything that its numbers depend on."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return PROTOCOLS.get(self.protocol).columns

    @property
    def galleries(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.gallery for cell in self.cells))

    def missing(self, cell: Cell) -> list[tuple[str, str]]:
        """Columns without a number in a cell that was measured, by title, each with the reason."""
        if cell.refused:
            return []
        found = [(column.title, cell.values[column.key]) for column in self.columns if column.key in cell.values]
        return [(title, estimate.reason or "undefined") for title, estimate in found if estimate.estimate is None]

    def table(self) -> pd.DataFrame:
        """One row a method and gallery: for every metric the number, its interval and its n."""
        rows = []
        for cell in self.cells:
            row: dict[str, Any] = {"method": cell.arm, "title": find_arm(cell.arm).title, "gallery": cell.gallery}
            for column in self.columns:
                estimate = cell.values.get(column.key, Estimate.missing(cell.refused or "not measured"))
                row |= {column.key: estimate.estimate, f"{column.key}_lo": estimate.lo}
                row |= {f"{column.key}_hi": estimate.hi, f"{column.key}_n": estimate.n}
            notes = [*cell.notes, *(f"{title} not computed: {reason}" for title, reason in self.missing(cell))]
            rows.append(row | {"refused": cell.refused, "notes": "; ".join(notes) or None})
        return pd.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "protocol": self.protocol,
            "settings": {name: dict(value) for name, value in self.settings.items()},
            "cells": [cell.to_json() for cell in self.cells],
        }

    @classmethod
    def load(cls, path: Path) -> "BenchmarkResult":
        """A result as `write` left it: the folder, or its JSON file."""
        path = Path(path)
        value = read_json(path / RESULT if path.is_dir() else path)
        if not isinstance(value, dict) or value.get("schema") != SCHEMA or "cells" not in value:
            raise InputError(f"{path} holds no benchmark of schema {SCHEMA}; run the benchmark again")
        PROTOCOLS.get(value["protocol"])
        return cls(value["protocol"], tuple(map(Cell.from_json, value["cells"])), value.get("settings", {}))

    def write(self, out: Path) -> None:
        """`benchmark.csv`, `benchmark.tex`, `trade-off.svg` and, last, `benchmark.json` in a folder."""
        with atomic_file(out / "benchmark.csv") as path:
            path.write_text(frame_text(self.table()), encoding="utf-8")
        with atomic_file(out / "benchmark.tex") as path:
            path.write_text(self.latex(), encoding="utf-8")
        draw_svg(self.trade_off(), out / "trade-off.svg")
        write_json(out / RESULT, plain(self.to_json()))

    def latex(self) -> str:
        """The table for a paper: a tabular with numbers and half widths, and footnotes for what is missing."""
        heads = " & ".join(["Method", *(_tex(column.title) for column in self.columns)])
        lines = [r"\begin{tabular}{l" + "r" * len(self.columns) + "}", r"\hline", heads + r" \\", r"\hline"]
        for gallery in self.galleries:
            if len(self.galleries) > 1:
                lines.append(rf"\multicolumn{{{len(self.columns) + 1}}}{{l}}{{{_tex(gallery)}}} \\")
            for cell in (cell for cell in self.cells if cell.gallery == gallery):
                numbers = [_tex_number(cell.values.get(column.key), column.digits) for column in self.columns]
                lines.append(" & ".join([_tex(find_arm(cell.arm).title), *numbers]) + r" \\")
        return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"

    def trade_off(self) -> Picture:
        """Skew against what it costs, one point a method, one mark a gallery."""
        protocol = PROTOCOLS.get(self.protocol)
        by_key = {column.key: column for column in self.columns}
        series = []
        for gallery in self.galleries:
            points = [
                (cell.arm, cell.values[protocol.cost], cell.values[protocol.skew])
                for cell in self.cells
                if cell.gallery == gallery and _has(cell, protocol.cost) and _has(cell, protocol.skew)
            ]
            series.append(
                Series(
                    gallery,
                    [cost.estimate for _, cost, _ in points],
                    [skew.estimate for *_, skew in points],
                    [skew.lo for *_, skew in points],
                    [skew.hi for *_, skew in points],
                    [name for name, *_ in points],
                )
            )
        cost, skew = by_key[protocol.cost], by_key[protocol.skew]
        title = f"{skew.title} against {cost.title.lower()}: right and down is better"
        return Picture(title, "points", cost.title, skew.title, tuple(series), "bars: 95 % intervals")


def _has(cell: Cell, key: str) -> bool:
    return key in cell.values and cell.values[key].estimate is not None


def _tex(text: str) -> str:
    """Plain text with LaTeX's special characters escaped."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, "\\" + c if c in "&%$#_{}" else c) for c in text)


def _tex_number(estimate: Estimate | None, digits: int) -> str:
    """ "0.123 [0.100, 0.150]", or a dash where there is no number."""
    if estimate is None or estimate.estimate is None:
        return "--"
    text = f"{estimate.estimate:.{digits}f}"
    if estimate.lo is None or estimate.hi is None:
        return text
    return f"{text} [{estimate.lo:.{digits}f}, {estimate.hi:.{digits}f}]"
