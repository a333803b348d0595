"""`metrics`: every ranking metric of a list that any system ranked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.app import app
from core.cli.editing import target_of
from core.cli.output import Json, emit, estimate_text
from core.config import InputError, about, one_of


@app.command("metrics")
def metrics(
    ranked: Annotated[Path, typer.Option("--ranked", help="Table of the ranking, best first, a column per attribute.")],
    gallery_table: Annotated[Path, typer.Option("--gallery-table", help="Table of all searched items.")],
    k: Annotated[int, typer.Option("--k", help="How many of the ranking count.")],
    target: Annotated[
        str, typer.Option("--target", help="uniform, gallery, or a file of group and share.")
    ] = "gallery",
    attribute: Annotated[
        list[str] | None, typer.Option("--attribute", help="Column or intersection ('gender x race'), repeatable.")
    ] = None,
    mode: Annotated[str, typer.Option("--mode", help="ours, berg or sem: whose zero rules.")] = "ours",
    relevant: Annotated[str | None, typer.Option("--relevant", help="COLUMN=VALUE, for precision and recall.")] = None,
    top1: Annotated[float | None, typer.Option("--top1", help="Zero-shot accuracy in per cent, for ABLE.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of null bands and intervals.")] = 0,
    as_json: Json = False,
) -> None:
    """Shares and every registered ranking metric, with intervals and null bands, for each attribute."""
    from core.metrics import MODES
    from core.ranking.ranked_lists import list_metrics
    from core.tables import read_table

    mode = one_of(mode, MODES, "--mode")
    names = tuple(attribute or ())
    columns = tuple(part for name in names for part in name.split(" x "))
    read = [read_table(path, need=columns) for path in (ranked, gallery_table)]
    own = target_of(target, names[0] if len(names) == 1 else None)
    wanted = _relevant(relevant)
    with about(ranked, gallery_table, *([] if isinstance(own, str) else [target])):
        document = list_metrics(read[0].frame, read[1].frame, k, own, names, mode, wanted, top1, seed)
    document["notes"] = [
        f"{path.name}: {note}" for path, one in zip((ranked, gallery_table), read, strict=True) for note in one.notes
    ]
    if len(document["attributes"]) == 1:
        document = {**next(iter(document["attributes"].values())), **document}
    emit(document, as_json, lambda: _lines(document))


def _relevant(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    column, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not column or not value:
        raise InputError(f"--relevant was {text!r}; expected COLUMN=VALUE")
    return column, value


def _lines(document: dict[str, Any]) -> Iterator[str]:
    from core.metrics import RANKING_METRICS

    yield from document["notes"]
    for attribute, found in document["attributes"].items():
        yield f"{attribute}: top {document['k']}, {found['unknown']} unknown, target {document['target']}"
        for group, share in found["shares"].items():
            yield f"  {group}: {estimate_text(share)}"
        for name in RANKING_METRICS.names():
            yield f"  {RANKING_METRICS.get(name).title}: {estimate_text(found[name])}"
        pair = found["worst_pair"]
        if pair is not None:
            said = f"{pair['over']} and {pair['under']}, ratio not computed: nobody of {pair['under']} was retrieved"
            if pair["ratio"] is not None:
                said = f"{pair['over']} is {pair['ratio']:.2f} times as over-represented as {pair['under']}"
            yield f"  worst pair: {said}"
