"""`edit export`, `edit show`, `edit import`, `edit apply`: a fitted edit out of the app and back."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import editing
from core.cli.app import app
from core.cli.editing import EditOptions, edited_scene, target_of
from core.cli.output import Json, emit, progress_bar
from core.config import HALVES, Edit, InputError, one_of, own_folder
from core.gallery import parse_where

if TYPE_CHECKING:
    from core.portable import PortableEdit

verbs = typer.Typer(
    help="Edits to take along: export one, look at one, bring one back, apply one.", no_args_is_help=True
)
app.add_typer(verbs, name="edit")

Folder = Annotated[Path, typer.Argument(help="Folder that edit export wrote.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace what is at --out.")]


@verbs.command("export")
def export(
    gallery: editing.GalleryName,
    out: Annotated[Path, typer.Option("--out", help="Folder of the edit.")],
    sae: editing.SaeNames = None,
    off: editing.Off = None,
    strength: editing.Strength = 1.0,
    gamma: editing.Gamma = 0.0,
    form: editing.Form = "error-preserving",
    alpha: editing.Alpha = 0.6,
    method: editing.Method = None,
    label_set: Annotated[str | None, typer.Option("--label-set", help="Hash of a set of labelled neurons.")] = None,
    smallest: Annotated[bool, typer.Option("--smallest", help="Find the smallest edit for the queries.")] = False,
    attribute: Annotated[str | None, typer.Option("--attribute", help="Attribute that it is about.")] = None,
    query: Annotated[list[str] | None, typer.Option("--query", help="Search it is measured on; repeatable.")] = None,
    k: Annotated[int, typer.Option("--k", help="How many are retrieved.")] = 100,
    target: editing.Target = "gallery",
    target_skew: Annotated[float, typer.Option("--target-skew", help="Of the smallest edit.")] = 0.15,
    size: Annotated[int, typer.Option("--size", help="Most neurons of the smallest edit.")] = 16,
    half: Annotated[str, typer.Option("--half", help="Rows it is measured on: all, probe, evaluation.")] = "evaluation",
    where: editing.Where = None,
    audit: Annotated[Path | None, typer.Option("--audit", help="Report that it comes from.")] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Also write an ONNX file a side.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="Name of the edit; the folder's by default.")] = None,
    model: editing.Model = None,
    pretrained: editing.Pretrained = None,
    seed: editing.Seed = 0,
    replace_: Replace = False,
    as_json: Json = False,
) -> None:
    """Write an edit as a folder that runs without the app: edit.json, edit.safetensors, card.md."""
    from core.gallery import open_gallery
    from core.home.exporting import ExportRequest, audit_of, encoder_for, export_edit
    from core.portable import write_edit
    from core.store import refuse_existing

    half = one_of(half, HALVES, "--half")
    for option, value in (("--k", k), ("--size", size)):
        if value < 1:
            raise InputError(f"{option} was {value}; expected a whole number of at least 1")
    refuse_existing(out, replace_, ", or replace it with --replace")
    source = open_gallery(gallery)
    options = EditOptions(off or (), strength, gamma, form, alpha, method)
    scene, edits = edited_scene(source, sae, options)
    if label_set is not None:
        if off or smallest:
            raise InputError("--label-set names the neurons; leave out --off and --smallest")
        from core.labelling import label_set as named_set

        neurons = named_set(label_set, scene.sae().digest).neurons
        edits = {source.side: options.edit(neurons)}
    if method is None and not smallest and not any(edit != Edit(form=edit.form) for edit in edits.values()):
        raise InputError("there is no edit yet: give --sae with --off, --label-set, --smallest, or --method NAME")
    if smallest and (off or method is not None):
        raise InputError("--smallest finds its own neurons; leave out --off and --method")
    request = ExportRequest(
        method=method or "neuron-edit",
        edits=edits,
        smallest=smallest,
        attribute=attribute,
        queries=tuple(dict.fromkeys(query or ())),
        k=k,
        target=target_of(target, attribute),
        target_skew=target_skew,
        size=size,
        half=half,
        where=parse_where(where or []),
        seed=seed,
        name=name or out.name,
        audit=None if audit is None else audit_of(audit),
    )
    scene = replace(scene, model=encoder_for(source, request, model, pretrained))
    with progress_bar() as progress:
        edit = export_edit(scene, request, progress)
    digest = write_edit(edit, out, replace_)
    files = ["edit.json", "edit.safetensors", "card.md"]
    if onnx:
        from core.portable.in_torch import write_onnx

        for side in edit.sides:
            files.append(f"{side}.onnx")
            write_onnx(edit, out / files[-1], side)
    document = {**_document(edit), "digest": digest, "out": str(out), "files": files}
    emit(document, as_json, lambda: _lines(document))


@verbs.command("show")
def show(folder: Folder, as_json: Json = False) -> None:
    """What an edit is, what it is for and what it did where it was made; refused where a byte differs."""
    from core.portable import read_edit

    document = _document(read_edit(folder))
    emit(document, as_json, lambda: _lines(document))


@verbs.command("import")
def bring_back(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where it is kept; this machine's own folder if absent.")
    ] = None,
    gallery: Annotated[str | None, typer.Option("--gallery", help="Refused unless it is for this one's rows.")] = None,
    replace_: Replace = False,
    as_json: Json = False,
) -> None:
    """Check an edit, compare it with a gallery, and keep it here; prints what an audit's spec says of it."""
    from core.portable import read_edit
    from core.store import atomic_folder, refuse_existing

    edit = read_edit(folder)
    unsure = [] if gallery is None else require_same(edit, gallery)
    target = out or own_folder() / "edits" / folder.resolve().name
    refuse_existing(target, replace_, ", or replace it with --replace")
    with atomic_folder(target, replace_) as partial:
        for path in ("edit.json", "edit.safetensors", "card.md"):
            shutil.copyfile(folder / path, partial / path)
    document = {**_document(edit), "out": str(target), "not_compared": unsure, "spec": _spec(edit)}
    emit(document, as_json, lambda: _lines(document))


@verbs.command("apply")
def apply(
    folder: Folder,
    source: Annotated[str, typer.Option("--in", help="File, folder of shards, or address of a store.")],
    target: Annotated[str | None, typer.Option("--out", help="The new store, of the same kind.")] = None,
    side: Annotated[str | None, typer.Option("--side", help="items or queries.")] = None,
    column: Annotated[str | None, typer.Option("--column", help="Array or column of the vectors.")] = None,
    gallery: Annotated[str | None, typer.Option("--gallery", help="Refused unless the edit is for its rows.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a killed run was.")] = False,
    in_place: Annotated[bool, typer.Option("--in-place", help="Replace the file that is read.")] = False,
    replace_: Replace = False,
    as_json: Json = False,
) -> None:
    """Write a store anew with edited unit rows; everything else in it stays as it was."""
    from core.home.applying import apply_edit
    from core.portable import SIDE_NAMES, read_edit
    from core.stores import Options

    edit = read_edit(folder)
    if gallery is not None:
        require_same(edit, gallery)
    if (target is None) != in_place:
        raise InputError("give --out for the new store, or --in-place to replace the file that is read")
    chosen = None if side is None else one_of(side, SIDE_NAMES, "--side")
    options = Options(column, resume, in_place, replace_)
    with progress_bar() as progress:
        document = apply_edit(edit, source, target or source, chosen, options, progress)
    emit(document, as_json, lambda: _applied(document))


def _applied(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['rows']:,} {document['side']} edited from {document['in']} to {document['out']}"
    for name in ("in", "out"):
        yield f"digest {name}: {document['digests'][name]} (of {document['digests']['of']})"
    if document["lost"]:
        yield f"{document['lost']:,} rows lie wholly in what the edit removes and are zeros: leave them out of searches"
    for one in document["stores"]:
        yield from (f"note: {note}" for note in one["notes"])
    yield from (f"note: {note}" for note in document.get("notes", []))


def require_same(edit: "PortableEdit", gallery: str) -> list[str]:
    """Names of what could not be compared; InputError where the edit is for other embeddings than the gallery's."""
    from core.gallery import open_gallery

    source = open_gallery(gallery)
    unsure: list[str] = []
    for side, one in edit.sides.items():
        if one.fingerprint.side == source.side:
            theirs = source.fingerprint(one.attach)
            unsure += one.fingerprint.require_match(theirs, f"the edit {edit.name!r}", f"gallery {source.name!r}")
        elif one.attach == "pooled" and one.fingerprint.d != source.fingerprint("pooled").d:
            raise InputError(
                f"the edit {edit.name!r} changes {side} of {one.fingerprint.d} columns, gallery "
                f"{source.name!r} has {source.fingerprint('pooled').d}"
            )
    return list(dict.fromkeys(unsure))


def _spec(edit: "PortableEdit") -> dict[str, Any]:
    """The keys of an audit's spec that ask for the same edit, where the app has its SAE."""
    about = edit.about
    said: dict[str, Any] = {"method": about["method"]["name"]}
    saes, edits = about.get("saes", {}), about.get("edits", {})
    for side, own in edits.items():
        said["sae"] = saes[side]["name"] if side in saes else None
        said["edit"] = {key: own[key] for key in ("neurons", "strength", "gamma", "form", "alpha")}
    return said


def _document(edit: "PortableEdit") -> dict[str, Any]:
    sides = {
        name: {
            "fingerprint": one.fingerprint.to_json(),
            "pieces": [piece.name for piece in one.pieces],
            "d": one.d,
        }
        for name, one in edit.sides.items()
    }
    return {"schema": 1, **edit.about, "sides": sides, "bytes": edit.nbytes}


def _lines(document: dict[str, Any]) -> Iterator[str]:
    title, size, digest = document["method"]["title"], document["bytes"], document["digest"][:16]
    yield f"{document['name']}: {title}, {size:,} bytes, digest {digest}"
    for name, side in document["sides"].items():
        print_of = side["fingerprint"]
        what = " then ".join(side["pieces"]) or "unchanged"
        yield f"{name}: {what}, for {print_of['model']} ({print_of['attach']}, d = {print_of['d']})"
    for one in document["measured"]:
        yield f"{one['query']!r}, {one['attribute']}: {one['effect']}"
        for group, said in one["groups"].items():
            points = ", ".join(
                f"{arm} {value['estimate'] * 100:+.1f} ({value['lo'] * 100:+.1f} to {value['hi'] * 100:+.1f})"
                for arm, value in said["points"].items()
                if value.get("estimate") is not None
            )
            yield f"  {group}: {points} points"
        yield f"  cosine {one['cosine']:.4f}, {one['rows_changed']:,} rows changed"
    yield from (f"limit: {limit}" for limit in document["limits"])
    if "out" in document:
        yield f"written to {document['out']}"
