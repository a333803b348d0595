"""Published numbers beside ours: the table of SEM's authors, where data set, model and setting are the same."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.benchmark.results import BenchmarkResult
from core.config import InputError
from core.gallery import Gallery
from core.statistics import Estimate
from core.tables import as_written

COLUMNS = ("dataset", "setting", "backbone", "method", "metric", "mean", "ci")
METHODS = {"vanilla": "identity", "bendsem-bi": "bendsem"}
"""Names of ours that differ from the published ones."""
METRICS = {"kl": "kl", "max_skew": "max_skew", "precision": "precision", "Acc.": "accuracy", "WG Acc.": "worst_group"}
DATA_SETS = ("celeba", "fairface", "utkface", "waterbirds")
SETTINGS = {"celeba": "celeba_blond_hair_gender", "waterbirds": "waterbirds"}
"""Setting of the classification rows, by data set."""


@dataclass(frozen=True)
class Beside:
    """One published number and ours."""

    method: str
    gallery: str
    metric: str
    published: Estimate
    ours: Estimate

    @property
    def difference(self) -> float | None:
        ours, published = self.ours.estimate, self.published.estimate
        return None if ours is None or published is None else ours - published

    @property
    def agrees(self) -> bool | None:
        """Whether the 95 % intervals of both overlap; None where one has none."""
        lo, hi, published_lo, published_hi = self.ours.lo, self.ours.hi, self.published.lo, self.published.hi
        if lo is None or hi is None or published_lo is None or published_hi is None:
            return None
        return lo <= published_hi and published_lo <= hi


def read_published(source: Path | bytes, name: str = "") -> pd.DataFrame:
    """The published table: one row a data set, setting, backbone, method (its seeds averaged) and metric.

    A mean over seeds has the mean of their half widths. InputError where the file is no such table.

    Parameters
    ----------
    source : the file, or the bytes of one that is called `name`.
    """
    name = name if isinstance(source, bytes) else str(source)
    frame = as_written(source, COLUMNS, name)
    for column in ("mean", "ci"):
        numbers = pd.to_numeric(frame[column], errors="coerce")
        wrong = numbers.isna() & frame[column].notna() & (frame[column].str.strip() != "")
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            said = f"row {row + 1} has {column} {frame[column].iloc[row]!r}"
            raise InputError(f"{name}: {said}; expected a number")
        frame[column] = numbers
    keys = ["dataset", "setting", "backbone", "method", "metric"]
    means = frame.groupby(keys, sort=True)[["mean", "ci"]].mean().reset_index()
    means["method"] = means["method"].replace(METHODS)
    return means


def beside(
    result: BenchmarkResult,
    galleries: list[Gallery],
    published: pd.DataFrame,
    attribute: str,
    k: int,
    queries: str = "stereotype",
) -> list[Beside]:
    """Every published number of the result's galleries, with ours; empty where nothing is the same.

    Parameters
    ----------
    queries : the published kind of queries, "stereotype" or "hair".
    """
    pairs = []
    for gallery in galleries:
        data_set, backbone = same_data(gallery), same_backbone(gallery)
        settings = {f"query={queries}|bias={attribute}|K={k}", SETTINGS.get(data_set or "", "")}
        rows = published[(published["dataset"] == data_set) & (published["backbone"] == backbone)]
        rows = rows[rows["setting"].isin(settings)]
        cells = {cell.arm: cell for cell in result.cells if cell.gallery == gallery.name}
        names = (rows[column].astype(str).tolist() for column in ("method", "metric"))
        numbers = (rows[column].astype(float).tolist() for column in ("mean", "ci"))
        for method, metric, mean, ci in zip(*names, *numbers, strict=True):
            key = METRICS.get(metric)
            if method in cells and key is not None:
                ours = cells[method].values.get(key, Estimate.missing("not measured"))
                pairs.append(Beside(method, gallery.name, key, Estimate(mean, mean - ci, mean + ci), ours))
    return pairs


def same_data(gallery: Gallery) -> str | None:
    """The published data set that a gallery is made of, by its source."""
    source = gallery.manifest["source"].lower()
    return next((name for name in DATA_SETS if re.search(rf"\b{name}\b", source)), None)


def same_backbone(gallery: Gallery) -> str | None:
    """The published name of a gallery's model, where that is one of OpenAI's."""
    model, _, weights = gallery.fingerprint().model.partition(":")
    name = model.removesuffix("-quickgelu")
    return None if weights != "openai" else {"ViT-L-14-336": "ViT-L-14@336px"}.get(name, name)


def beside_table(pairs: list[Beside]) -> pd.DataFrame:
    """One row a published number: theirs, ours, the difference, and whether the intervals overlap."""
    rows = [
        {
            "method": pair.method,
            "gallery": pair.gallery,
            "metric": pair.metric,
            "published": pair.published.estimate,
            "published_lo": pair.published.lo,
            "published_hi": pair.published.hi,
            "ours": pair.ours.estimate,
            "ours_lo": pair.ours.lo,
            "ours_hi": pair.ours.hi,
            "difference": pair.difference,
            "agrees": pair.agrees,
        }
        for pair in pairs
    ]
    return pd.DataFrame(rows)
