"""`gallery index`: lists that a query can look at instead of every item, and what it then misses."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.gallery_verbs import verbs
from core.cli.output import Json, emit, estimate_text, progress_bar

SHOWN_K = (100, 1000)


@verbs.command("index")
def index(
    folder: Annotated[str, typer.Argument(help="Gallery folder.")],
    lists: Annotated[int | None, typer.Option("--lists", help="Lists; about sqrt(n) if absent.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    queries: Annotated[
        Path | None, typer.Option("--query-embeddings", help="(m, d) array, .npy, on which recall is measured.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the IVF index of a very large gallery for `rank --index ivf`; an interrupted run goes on where it was."""
    from core.gallery import build_ivf, open_gallery
    from core.ranking import recall_of
    from core.store import read_array

    gallery = open_gallery(folder)
    given = None if queries is None else read_array(queries, "query embeddings (m, d), .npy")
    with progress_bar() as progress:
        made = build_ivf(gallery, lists, seed, given, progress)
    recalls = [
        {"k": k, "probes": probes, **recall_of(made, probes, k).to_json()}
        for k in sorted({min(k, made.recall.depth) for k in SHOWN_K})
        for probes in _probes(len(made.inverted))
    ]
    document = {**made.about, "digest": made.digest, "recall": recalls}
    emit(document, as_json, lambda: _lines(document))


def _probes(lists: int) -> list[int]:
    """Some numbers of lists, each four times the one before, up to a quarter of all."""
    return [p for p in (4**power for power in range(12)) if p <= max(1, lists // 4)]


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['n']:,} items in {document['lists']:,} lists of rows as stored ({document['stored_as']})"
    yield f"recall measured on {document['queries']}; scores are exact, nothing is quantised:"
    for one in document["recall"]:
        yield f"  recall@{one['k']}, {one['probes']} of {document['lists']} lists: {estimate_text(one)}"
