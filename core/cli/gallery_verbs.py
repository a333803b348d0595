"""`gallery build`, `gallery import`, `gallery synth`, `gallery info`."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import app
from core.cli.clusters import Ray, Workers, chosen_cluster, model_everywhere
from core.cli.output import Json, emit, progress_bar
from core.config import ATTACHES, TOWER_PRECISIONS, UNKNOWN, InputError, one_of

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.tables import Regroup

verbs = typer.Typer(help="Galleries: build one, import one, look at one.", no_args_is_help=True)
app.add_typer(verbs, name="gallery")

Out = Annotated[Path, typer.Option("--out", help="Folder of the new gallery.")]
Table = Annotated[Path | None, typer.Option("--table", help="CSV, Parquet or Feather; first column file or id.")]
Licence = Annotated[str | None, typer.Option("--licence", help="Licence of the items, in words.")]
Provenance = Annotated[str | None, typer.Option("--provenance", help="Where items and labels come from.")]
SplitSeed = Annotated[int, typer.Option("--split-seed", help="Seed of the probe and evaluation halves.")]
Together = Annotated[
    str | None, typer.Option("--together", help="Column whose equal values (a scene, a person) stay in one half.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace what is at --out.")]
Join = Annotated[
    list[str] | None,
    typer.Option("--join", help="Column in which groups that differ in spelling alone become one; repeatable."),
]
Bins = Annotated[
    list[str] | None,
    typer.Option("--bins", help="COLUMN=18,30,50: groups of a column of numbers by these bounds; repeatable."),
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the gallery; the folder's name by default.")]


@verbs.command("build")
def build(
    out: Out,
    images: Annotated[Path | None, typer.Option("--images", help="Folder of pictures.")] = None,
    captions: Annotated[Path | None, typer.Option("--captions", help="CSV, Parquet or text file.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Named data set, with --root.")] = None,
    root: Annotated[Path | None, typer.Option("--root", help="Folder of the named data set.")] = None,
    table: Table = None,
    model: Annotated[
        str,
        typer.Option("--model", help="open_clip name, hf-hub:..., local-dir:..., hf:..."),
    ] = "default",
    pretrained: Annotated[str | None, typer.Option("--pretrained", help="open_clip weights tag.")] = None,
    attach: Annotated[str, typer.Option("--attach", help="pooled, residual, or both with a comma.")] = "pooled",
    tokens: Annotated[int, typer.Option("--tokens", help="Random tokens to keep of each item; 2 as published.")] = 0,
    token_seed: Annotated[int, typer.Option("--token-seed")] = 0,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="float32, or faster on a GPU and less exact: bfloat16, float16.")
    ] = "float32",
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the model first; for long builds.")] = False,
    reduced: Annotated[
        bool, typer.Option("--reduced", help="Decode large JPEG files at a reduced size: faster, less exact.")
    ] = False,
    licence: Licence = None,
    provenance: Provenance = None,
    split_seed: SplitSeed = 0,
    together: Together = None,
    name: Name = None,
    join: Join = None,
    bins: Bins = None,
    replace: Replace = False,
    ray: Ray = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Embed pictures or captions into a gallery; an interrupted build goes on where it was."""
    from core.backbones.base import load_model
    from core.datasets import items_of
    from core.gallery import Speed, build_gallery
    from core.gallery.building import require_settings
    from core.gallery.embedding import embed_parts
    from core.gallery.spreading import spread_parts
    from core.gallery.together import require_together
    from core.gallery.writing import WAY
    from core.store import refuse_existing

    ways = {"folder": images, "captions": captions, dataset or "": root}
    given = [(kind, path) for kind, path in ways.items() if path is not None]
    if len(given) != 1 or (dataset is None) != (root is None):
        raise InputError("give exactly one of --images DIR, --captions FILE, or --dataset NAME with --root DIR")
    kind, source = given[0]
    attaches = tuple(one_of(part.strip(), ATTACHES, "--attach") for part in attach.split(","))
    speed = Speed(one_of(precision, TOWER_PRECISIONS, "--precision"), compiled, reduced)
    refuse_existing(out, replace, WAY)
    regroup = _regroup(join, bins)
    items = items_of(kind, source, table, licence, provenance)
    regroup.applied(items.frame, items.source)  # before a model is loaded
    if together is not None:
        require_together(items.frame, together, items.source)
    require_settings(items, speed, tokens, token_seed)
    backbone = load_model(model, pretrained, device)
    load = partial(load_model, *model_everywhere(model, pretrained), backbone.device.type)
    with chosen_cluster(ray, workers) as cluster, progress_bar() as progress:
        gallery = build_gallery(
            items,
            backbone,
            out,
            attaches=attaches,
            name=name,
            split_seed=split_seed,
            together=together,
            tokens=tokens,
            token_seed=token_seed,
            speed=speed,
            embed=embed_parts if cluster is None else partial(spread_parts, cluster, load),
            regroup=regroup,
            replace=replace,
            progress=progress,
        )
    emit(gallery.info(), as_json, lambda: lines(gallery))


@verbs.command("import")
def import_(
    out: Out,
    embeddings: Annotated[
        Path | None,
        typer.Option("--embeddings", help="(n, d) array: .npy, .npz, Parquet, CSV, safetensors, .pt, HDF5."),
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="One row an embedding; first column file or id.")
    ] = None,
    model_name: Annotated[str | None, typer.Option("--model-name", help="What the embeddings came from.")] = None,
    address: Annotated[
        str | None,
        typer.Option("--from", help="Embeddings and their table in one: clip-retrieval's folder, a Parquet file."),
    ] = None,
    array: Annotated[str | None, typer.Option("--array", help="Which of several arrays the file's rows are.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, or sem for SEM's published layout.")] = "table",
    root: Annotated[Path | None, typer.Option("--root", help="Folder of SEM's layout.")] = None,
    images: Annotated[Path | None, typer.Option("--images", help="Folder of the table's files.")] = None,
    texts: Annotated[Path | None, typer.Option("--texts", help="(m, d) embeddings of known prompts.")] = None,
    text_table: Annotated[Path | None, typer.Option("--text-table", help="Their table, column prompt.")] = None,
    kind: Annotated[str, typer.Option("--kind", help="images or captions.")] = "images",
    licence: Licence = None,
    provenance: Provenance = None,
    split_seed: SplitSeed = 0,
    together: Together = None,
    name: Name = None,
    join: Join = None,
    bins: Bins = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Make a gallery of embeddings that exist already, with known prompts as queries."""
    from core.gallery import import_from, import_gallery, import_sem

    one_of(form, ("table", "sem"), "--format")
    common: dict[str, Any] = {"licence": licence, "provenance": provenance, "split_seed": split_seed, "name": name}
    common |= {"texts": texts, "text_table": text_table, "out": out, "together": together}
    common |= {"regroup": _regroup(join, bins), "replace": replace}
    with progress_bar() as progress:
        if form == "sem":
            if root is None or embeddings or table or images or address or array:
                raise InputError(
                    "--format sem reads the folder --root DIR alone; leave out --embeddings, --table, --images, --from "
                    "and --array"
                )
            gallery = import_sem(root, model_name=model_name, progress=progress, **common)
        elif address is not None:
            if embeddings or root is not None or not model_name:
                raise InputError("--from ADDRESS goes with --model-name and without --embeddings and --root")
            more: dict[str, Any] = {"images": images, "kind": kind, "table": table, "array": array}
            gallery = import_from(address, model_name=model_name, progress=progress, **more, **common)
        else:
            if embeddings is None or table is None or not model_name or root is not None:
                raise InputError(
                    "give --embeddings, --table and --model-name, or --from ADDRESS and --model-name, or --format sem "
                    "with --root DIR"
                )
            one_of(kind, ("images", "captions"), "--kind")
            more = {"images": images, "kind": kind, "array": array, "model_name": model_name}
            gallery = import_gallery(embeddings, table, progress=progress, **more, **common)
    emit(gallery.info(), as_json, lambda: lines(gallery))


@verbs.command("synth")
def synth(
    n: Annotated[int, typer.Option("--n", help="Number of items.")],
    d: Annotated[int, typer.Option("--d", help="Columns.")],
    out: Out,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Make a synthetic gallery with CLIP-like statistics, for tests of scale."""
    from core.gallery import synth_gallery

    with progress_bar() as progress:
        gallery = synth_gallery(n, d, out, seed=seed, replace=replace, progress=progress)
    emit(gallery.info(), as_json, lambda: lines(gallery))


@verbs.command("info")
def info(
    folder: Annotated[str, typer.Argument(help="Gallery folder or shipped name.")],
    check: Annotated[bool, typer.Option("--check", help="Read everything and compare all digests.")] = False,
    as_json: Json = False,
) -> None:
    """Counts, groups with unknowns, fingerprints; with --check exit code 1 where a digest differs."""
    from core.gallery import open_gallery

    gallery = open_gallery(folder)
    document: dict[str, Any] = gallery.info()
    problems: list[str] = []
    if check:
        with progress_bar() as progress:
            problems = gallery.check(progress)
        document["check"] = {"equal": not problems, "problems": problems}
    emit(document, as_json, lambda: lines(gallery, checked=check, problems=problems))
    if problems:
        raise typer.Exit(1)


def _regroup(join: list[str] | None, bins: list[str] | None) -> "Regroup":
    from core.tables import Regroup, parse_bins

    return Regroup(tuple(join or ()), tuple(parse_bins(text) for text in bins or ()))


def _counted(attribute: str, counts: dict[str, int]) -> str:
    """ "race: Black 12, White 7, unknown 1"; of very many groups the largest, and how many more."""
    from core.gallery.labels import GROUPS_SHOWN

    shown = counts
    if len(counts) > GROUPS_SHOWN + 1:
        groups = sorted((group for group in counts if group != UNKNOWN), key=lambda group: -counts[group])[
            :GROUPS_SHOWN
        ]
        shown = {group: counts[group] for group in [*groups, UNKNOWN]}
    rest = len(counts) - len(shown)
    more = f" and {rest:,} more groups" if rest else ""
    return f"{attribute}: " + ", ".join(f"{group} {n:,}" for group, n in shown.items()) + more


def lines(gallery: "Gallery", checked: bool = False, problems: list[str] | None = None) -> Iterator[str]:
    """A gallery in words."""
    from core.tables import left_out_lines

    info = gallery.info()
    yield f"{info['name']}: {info['n']:,} {info['kind']}, digest {info['digest'][:16]}"
    yield f"licence: {info['licence']}; provenance: {info['provenance']}"
    for attribute, counts in info["attributes"].items():
        yield _counted(attribute, counts)
    for column, why in info["not_groups"].items():
        yield f"not groups: {column} ({why})"
    yield "halves: " + ", ".join(f"{half} {n:,}" for half, n in info["halves"].items())
    kept = info["split"].get("together")
    if kept:
        alone = f", {kept['alone']:,} items without one by themselves" if kept["alone"] else ""
        yield f"together: rows with the same {kept['column']} ({kept['clusters']:,} clusters{alone})"
    for attach in info["fingerprints"]:
        yield f"{attach}: {gallery.fingerprint(attach).describe()}"
    if info["prompts"]:
        yield f"known prompts: {info['prompts']:,}"
    yield from left_out_lines(gallery.left_out)
    yield from info["notes"]
    yield from problems or []
    if checked and not problems:
        yield "all digests are equal"
