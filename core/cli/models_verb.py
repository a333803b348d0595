"""`models`: the same items embedded by several models, side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli import editing
from core.cli.app import app
from core.cli.editing import target_of
from core.cli.output import Json, emit, estimate_text, progress_bar
from core.config import HALVES, InputError, one_of
from core.gallery import parse_where


@app.command("models")
def models(
    gallery: Annotated[list[str], typer.Option("--gallery", help="The items as one model embeds them; repeatable.")],
    attribute: Annotated[str, typer.Option("--attribute", help="Attribute column.")],
    query: Annotated[list[str], typer.Option("--query", help="A prompt; repeatable.")],
    k: Annotated[int, typer.Option("--k", help="How many are retrieved.")] = 100,
    target: editing.Target = "gallery",
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation.")] = "evaluation",
    where: editing.Where = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for models.json and models.svg.")] = None,
    seed: editing.Seed = 0,
    as_json: Json = False,
) -> None:
    """Prompts by models: leans with intervals, what each model knows besides, differences beyond chance."""
    from core.benchmark.side_by_side import ModelsRequest, compare_models, write_picture
    from core.gallery import open_gallery
    from core.store import atomic_folder, refuse_existing, write_json

    if k < 1:
        raise InputError(f"--k was {k}; expected a whole number of at least 1")
    if out is not None:
        refuse_existing(out)
    queries = tuple(dict.fromkeys(query))
    request = ModelsRequest(
        attribute,
        queries,
        k,
        target_of(target, attribute),
        one_of(half, HALVES, "--half"),
        parse_where(where or []),
        seed,
    )
    with progress_bar() as progress:
        document = compare_models([open_gallery(name) for name in gallery], request, progress)
    if out is not None:
        with atomic_folder(out) as partial:
            write_json(partial / "models.json", document)
            write_picture(document, partial / "models.svg")
    emit(document, as_json, lambda: _lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"k = {document['k']}, {document['n']:,} rows searched, {len(document['prompts'])} prompts"
    for model in document["models"]:
        yield f"{model['name']}:"
        for group, points in model["mean"]["points"].items():
            yield f"  {group}: {estimate_text(points)} above its share of the rows, mean over prompts"
        if reason := model["ability"].get("reason"):
            yield f"  what it knows besides is not computed: {reason}"
            continue
        for attribute, said in model["ability"].items():
            yield f"  knows {attribute}: {estimate_text(said)}"
    for one in document["differences"]:
        mean = one["mean"]
        said = "differs beyond chance" if mean["beyond_chance"] else "no difference beyond chance"
        p = "" if mean["p_adjusted"] is None else f", adjusted p = {mean['p_adjusted']:.2g}"
        yield f"{one['second']} minus {one['first']}: {said}{p}"
        some = [prompt for prompt, found in one["prompts"].items() if found["beyond_chance"]]
        yield f"  beyond chance for {len(some)} of {len(one['prompts'])} prompts" + (
            f": {', '.join(some)}" if some else ""
        )
