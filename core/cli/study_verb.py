"""`study`: one question about a gallery and its model, answered by a table, a figure and a JSON document."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli import editing
from core.cli.app import app
from core.cli.editing import EditOptions, edited_scene, target_of
from core.cli.output import Json, emit, progress_bar
from core.config import HALVES, InputError, one_of
from core.gallery import parse_where
from core.verdicts import NOT_COMPUTED


@app.command("study")
def study(
    name: Annotated[str, typer.Argument(help="Name of the study; a wrong one lists them all.")],
    gallery: editing.GalleryName,
    out: Annotated[Path, typer.Option("--out", help="Folder for table, figure and JSON.")],
    attribute: Annotated[list[str] | None, typer.Option("--attribute", help="Attribute column, repeatable.")] = None,
    prompts: Annotated[str | None, typer.Option("--prompts", help="JSON list of queries, or a shipped list.")] = None,
    query: Annotated[list[str] | None, typer.Option("--query", help="A query, repeatable.")] = None,
    classes: Annotated[str | None, typer.Option("--classes", help="Class prompts: JSON file or shipped name.")] = None,
    reference: Annotated[Path | None, typer.Option("--reference", help="Independent embeddings (n, d), .npy.")] = None,
    root: Annotated[Path | None, typer.Option("--root", help="Folder of pictures, one folder a class.")] = None,
    k: Annotated[int, typer.Option("--k", help="How many are retrieved.")] = 100,
    target: editing.Target = "uniform",
    tau: Annotated[float, typer.Option("--tau", help="Consistency threshold of the rule.")] = 0.5,
    sae: editing.SaeNames = None,
    off: editing.Off = None,
    strength: editing.Strength = 1.0,
    gamma: editing.Gamma = 0.0,
    form: editing.Form = "error-preserving",
    alpha: editing.Alpha = 0.6,
    method: editing.Method = None,
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation.")] = "evaluation",
    where: editing.Where = None,
    model: editing.Model = None,
    pretrained: editing.Pretrained = None,
    seed: editing.Seed = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is at --out.")] = False,
    as_json: Json = False,
) -> None:
    """Table (CSV), figure (SVG) and document (JSON) of a registered study."""
    from core.gallery import open_gallery
    from core.scene import text_model
    from core.store import plain, read_array
    from core.studies import STUDIES, StudyRequest
    from core.studies.asking import check
    from core.zeroshot import PromptSet

    chosen = STUDIES.get(name)()
    source = open_gallery(gallery)
    if out.exists() and not replace:
        raise InputError(f"{out} exists already; choose another folder or give --replace")
    scene, edits = edited_scene(source, sae, EditOptions(off or (), strength, gamma, form, alpha, method))
    queries = tuple(dict.fromkeys([*(prompt_list(prompts) if prompts else ()), *(query or ())]))
    request = StudyRequest(
        scene=scene,
        attributes=tuple(attribute or ()),
        prompts=queries,
        edits={side: edit for side, edit in edits.items() if edit.neurons or method},
        method=method or "neuron-edit",
        class_prompts=PromptSet.load(classes) if classes else None,
        reference=read_array(reference, "embeddings (n, d), .npy") if reference else None,
        k=k,
        target=target_of(target),
        half=one_of(half, HALVES, "half"),
        where=parse_where(where or []),
        tau=tau,
        seed=seed,
        root=root,
    )
    check(request)
    if chosen.needs_model:
        scene = dataclasses.replace(scene, model=text_model(source, queries, model, pretrained))
        request = dataclasses.replace(request, scene=scene)
    with progress_bar() as progress:
        result = chosen(request, progress)
    result.write(name, out, replace)
    emit(plain(result.to_json()), as_json, lambda: _lines(result, out))


def prompt_list(source: str) -> tuple[str, ...]:
    """Queries of a JSON file (a list, or an object with `prompts`) or of a shipped list by its name.

    An entry is a text, or an object with `prompt` and perhaps `relevant`, {column: group} of the rows it names.
    """
    return tuple(query_list(source))


def query_list(source: str) -> dict[str, dict[str, str]]:
    """Queries with what they say about the rows that they name (often nothing)."""
    from core.config import ASSETS
    from core.store import read_json

    shipped = ASSETS / "prompts" / f"{source}.json"
    value = read_json(shipped if shipped.is_file() else Path(source))
    if isinstance(value, dict):
        value = value.get("prompts") or value.get("words")
    entries: list[dict[str, Any]] = (
        [{"prompt": one} if isinstance(one, str) else one for one in value] if isinstance(value, list) else []
    )
    if not entries or not all(isinstance(one, dict) and str(one.get("prompt") or "").strip() for one in entries):
        raise InputError(f"{source} holds no queries; expected a JSON list of texts, or an object with 'prompts'")
    return {str(one["prompt"]): dict(one.get("relevant") or {}) for one in entries}


def _lines(result: Any, out: Path) -> Iterator[str]:
    yield result.picture.title
    shown = result.table if result.brief is None else result.brief
    yield from shown.to_string(index=False, na_rep=NOT_COMPUTED, float_format=lambda x: f"{x:.3f}").splitlines()
    if len(shown) < len(result.table):
        yield f"{len(result.table) - len(shown):,} more rows are in the table that was written"
    yield from (f"note: {note}" for note in result.notes)
    yield f"written to {out}"
