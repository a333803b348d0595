"""`benchmark`: methods x metrics x galleries by a protocol, resumable, as CSV, LaTeX, JSON and a picture."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli import editing
from core.cli.app import app
from core.cli.editing import target_of
from core.cli.output import Json, emit, estimate_text, progress_bar
from core.cli.study_verb import prompt_list, query_list
from core.config import HALVES, InputError, one_of
from core.gallery import parse_where

Names = Annotated[list[str], typer.Option("--gallery", help="Gallery, repeatable: one a backbone.")]
Protocols = Annotated[str, typer.Option("--protocol", help="sem, debiaslens or default.")]
Published = Annotated[Path | None, typer.Option("--published", help="CSV of published numbers to set beside ours.")]


@app.command("benchmark")
def benchmark(
    gallery: Names,
    out: Annotated[Path, typer.Option("--out", help="Folder for cells and tables.")],
    protocol: Protocols = "default",
    methods: Annotated[str, typer.Option("--methods", help="Names with commas, or all.")] = "all",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in --out.")] = False,
    attribute: Annotated[str | None, typer.Option("--attribute", help="Audited attribute; gender by default.")] = None,
    prompts: Annotated[str | None, typer.Option("--prompts", help="JSON list of queries, or a shipped list.")] = None,
    controls: Annotated[str | None, typer.Option("--controls", help="Queries that should not lean.")] = None,
    classes: Annotated[str | None, typer.Option("--classes", help="Class prompts: JSON file or shipped name.")] = None,
    k: Annotated[int | None, typer.Option("--k", help="How many are retrieved; the protocol's by default.")] = None,
    target: Annotated[str | None, typer.Option("--target", help="uniform, gallery, or a JSON file.")] = None,
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation.")] = "evaluation",
    where: editing.Where = None,
    sae: editing.SaeNames = None,
    model: editing.Model = None,
    pretrained: editing.Pretrained = None,
    published: Published = None,
    queries: Annotated[str, typer.Option("--published-queries", help="stereotype or hair.")] = "stereotype",
    seed: editing.Seed = 0,
    as_json: Json = False,
) -> None:
    """Every method measured on every gallery; one file a cell, so that an interrupted run goes on where it was."""
    from core.benchmark import PROTOCOLS, arm_names, find_arm, run_benchmark
    from core.benchmark.published import beside, beside_table, read_published
    from core.benchmark.run import require_place
    from core.benchmark.worlds import usual_world
    from core.gallery import open_gallery
    from core.ranking import checked
    from core.scene import Scene, load_saes, text_model
    from core.store import atomic_file
    from core.writing import frame_text
    from core.zeroshot import PromptSet

    one_of(half, HALVES, "--half")
    PROTOCOLS.get(protocol)
    require_place(out, resume)
    table = read_published(published) if published else None
    chosen = arm_names() if methods == "all" else [name.strip() for name in methods.split(",") if name.strip()]
    for name in chosen:
        find_arm(name)
    names = list(dict.fromkeys(gallery))
    if len(names) > 1 and (sae or model):
        raise InputError("--sae and --model are of one gallery's model; leave them out, or give one --gallery")
    asked = query_list(prompts) if prompts else None
    texts = tuple(asked) if asked else None
    plans = []
    for opened in map(open_gallery, names):
        scene = Scene(opened, load_saes(opened, sae or ()))
        world_of = partial(
            usual_world,
            protocol=protocol,
            attribute=attribute,
            prompts=texts,
            relevant={text: named for text, named in asked.items() if named} if asked else None,
            controls=prompt_list(controls) if controls else None,
            class_prompts=PromptSet.load(classes) if classes else None,
            k=k,
            target=target_of(target) if target else None,
            half=half,
            where=parse_where(where or []),
            seed=seed,
        )
        checked(scene, world_of(scene).request())
        plans.append((scene, world_of))
    worlds = [
        world_of(replace(scene, model=text_model(scene.gallery, texts or ("",), model, pretrained)))
        for scene, world_of in plans
    ]
    with progress_bar() as progress:
        result = run_benchmark(protocol, worlds, chosen, out, resume, progress)
    pairs = (
        []
        if table is None
        else beside(result, [world.gallery for world in worlds], table, worlds[0].attribute, worlds[0].k, queries)
    )
    if pairs:
        with atomic_file(out / "published.csv") as path:
            path.write_text(frame_text(beside_table(pairs)), encoding="utf-8")
    document = result.to_json() | {"published": beside_table(pairs).to_dict("records")}
    emit(document, as_json, lambda: _lines(result, pairs, table is not None, out))


def _lines(result: Any, pairs: list[Any], asked: bool, out: Path) -> Iterator[str]:
    for cell in result.cells:
        yield f"{cell.arm} on {cell.gallery}:"
        if cell.refused:
            yield f"  not measured: {cell.refused}"
            continue
        for column in result.columns:
            yield f"  {column.title}: {estimate_text(cell.values[column.key].to_json(), column.digits)}"
        yield from (f"  note: {note}" for note in cell.notes)
    for pair in pairs:
        mark = {True: "", False: "  DIFFERS", None: ""}[pair.agrees]
        ours = estimate_text(pair.ours.to_json())
        yield f"published {pair.method} {pair.metric}: {pair.published.estimate:.3f}; ours {ours}{mark}"
    if asked and not pairs:
        yield "no published number is of the same data set, model and setting"
    yield f"written to {out}"
