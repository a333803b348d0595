"""`lvlm`: what a large vision-language model says about people, before and after an edit of what it reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli import editing
from core.cli.app import app
from core.cli.output import Json, emit, estimate_text, progress_bar
from core.config import FORMS, Edit, InputError, about, one_of

SCHEMA = 1

verbs = typer.Typer(no_args_is_help=True, help="Large vision-language models: ask, audit, score.")
app.add_typer(verbs, name="lvlm")


@verbs.command("score")
def score(
    source: Annotated[Path, typer.Option("--in", help="logits, prompt_options, token_id_marked or _plain; .npz.")],
    out: Annotated[Path, typer.Option("--out", help="Where prob, prob_renormalised and letter_mass go; .npz.")],
) -> None:
    """Probabilities of yes, no and unsure behind option letters, from next-token logits."""
    from core.interventions.arrays import Reader
    from core.lvlm.scoring import MASS_FLOOR, score_options
    from core.store import atomic_file, read_named_arrays, write_arrays

    arrays = read_named_arrays(source)
    read = Reader(arrays, "lvlm score")
    try:
        logits = read.matrix("logits")
        options = read.array("prompt_options", 2)
        read.fits("prompt_options", len(options) == len(logits) and options.shape[1] >= 3, "a row a prompt, 3 columns")
        name = next((one for one in ("token_id_marked", "token_id_plain") if one in arrays), "token_id_marked")
        found = score_options(logits, options, read.whole(name))
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    made = {
        "prob": found.prob,
        "prob_renormalised": found.renormalised,
        "letter_mass": found.mass,
        "no_answer": ~found.answered(MASS_FLOOR),
    }
    try:
        with atomic_file(out) as partial, open(partial, "wb") as file:
            write_arrays(file, made)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written ({error.strerror}); choose another path") from None


@verbs.command("ask")
def ask(
    question: Annotated[str, typer.Option("--question", help="What is asked; options of its own as 'A. x B. y'.")],
    model: Annotated[str, typer.Option("--model", help="default-lvlm, local-dir:FOLDER or hf-hub:OWNER/NAME.")] = (
        "default-lvlm"
    ),
    gallery: Annotated[str | None, typer.Option("--gallery", help="Gallery folder or shipped name.")] = None,
    item: Annotated[str | None, typer.Option("--item", help="Id of the picture in the gallery.")] = None,
    picture: Annotated[Path | None, typer.Option("--picture", help="A picture of your own; it is not kept.")] = None,
    sae: Annotated[str | None, typer.Option("--sae", help="SAE of the read tokens.")] = None,
    off: Annotated[str | None, typer.Option("--off", help="Neurons of that SAE, as 3,17.")] = None,
    strength: editing.Strength = 1.0,
    gamma: editing.Gamma = 0.0,
    form: editing.Form = "error-preserving",
    alpha: editing.Alpha = 0.6,
    method: Annotated[str | None, typer.Option("--method", help="Registered method of read tokens.")] = None,
    attribute: Annotated[str, typer.Option("--attribute", help="Groups that a method is fitted on.")] = "gender",
    free: Annotated[bool, typer.Option("--free", help="Also what the model says in its own words.")] = False,
    as_json: Json = False,
) -> None:
    """The share of every answer to one question about one picture, before and (with an edit) after."""
    from core.gallery import open_gallery
    from core.interventions.neuron_edit import check_neurons
    from core.lvlm.asking import ask as answer
    from core.lvlm.asking import checked_question
    from core.lvlm.chosen import named_edit, probe_for
    from core.lvlm.models import load_lvlm
    from core.lvlm.pictures import opened
    from core.lvlm.token_method import METHODS
    from core.saes.checkpoint import load_sae

    if (picture is None) == (gallery is None or item is None):
        raise InputError("give either --gallery G with --item ID, or --picture FILE")
    if picture is not None:
        data = _bytes(picture)
    else:
        source = open_gallery(str(gallery))
        row = _row(source, str(item))
        data = source.thumb(row)
    image = opened(data, str(picture or item))
    neurons = editing.neuron_sets([off] if off else (), 1)[0]
    edit = Edit(neurons, strength=strength, gamma=gamma, form=one_of(form, FORMS, "form"), alpha=alpha)
    if off and sae is None:
        raise InputError(f"--off was {off!r} without --sae; name the SAE whose neurons are switched")
    METHODS.get(method or "neuron-edit")
    named = load_sae(sae) if sae else None
    if named is not None:
        check_neurons(edit, named.sae.config.d_sae)
    loaded = load_lvlm(model)
    text = checked_question(loaded, question, picture is not None)
    edits: list[Any] = [None]
    if sae is not None or method is not None:
        named = load_sae(sae, str(loaded.attachment.device)) if sae else None
        probe = probe_for(loaded, open_gallery(gallery or "default"), attribute) if method else None
        edits.append(named_edit(loaded, named, edit, method or "neuron-edit", probe=probe))
    found = answer(loaded, image, text, edits, picture is not None, image if free else None)
    arms = dict(zip(("before", "after"), (one.to_json() for one in found), strict=False))
    document = {"schema": SCHEMA, "model": loaded.name, "question": text, **arms}
    document["digests"] = {"weights": loaded.weights}
    document["notes"] = loaded.notes
    emit(document, as_json, lambda: _answer_lines(document))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"--picture {path} cannot be read ({error.strerror}); give a JPEG or PNG file") from None


def _row(gallery: Any, item: str) -> int:
    ids = gallery.item_ids(range(gallery.n))
    if item not in ids:
        raise InputError(f"gallery {gallery.name} has no item {item!r}; its first are {', '.join(ids[:3])}")
    return ids.index(item)


def _answer_lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['model']}: {document['question']}"
    yield from (f"note: {note}" for note in document["notes"])
    for arm in ("before", "after"):
        if arm in document:
            shares = ", ".join(f"{name} {share:.3f}" for name, share in document[arm]["options"].items())
            yield f"{arm}: {shares} (together {document[arm]['mass']:.3f} of all probability)"
            if "free" in document[arm]:
                yield f"  in its own words: {document[arm]['free'] or '(nothing)'}"


@verbs.command("audit")
def audit(
    spec: Annotated[Path, typer.Argument(help="SPEC.json of kind lvlm.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the report.")],
    auditor: Annotated[str, typer.Option("--auditor", help="Who audits; stands in the report.")] = "not stated",
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Embed pictures, where the gallery's licence note allows it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ask about many pictures, before and after, and write the report that `verify` reads."""
    from core.lvlm.audit import run_lvlm
    from core.lvlm.spec import LvlmSpec
    from core.report.answers_folder import write_answers
    from core.report.document import ReportOptions
    from core.report.folder import FILES, own_report
    from core.store import forget_workplace, read_json, resumable_folder

    asked, options = LvlmSpec.load(spec), ReportOptions(auditor, thumbnails)
    finished = own_report(out, asked, options)
    if finished is None:
        with resumable_folder(out) as partial, progress_bar() as progress:
            with about(spec):
                answered = run_lvlm(asked, folder=partial, progress=progress)
            write_answers(answered, out, options)
        finished = read_json(out / "report.json")
    else:
        forget_workplace(out)
    document = {
        "schema": SCHEMA,
        "out": str(out),
        "files": [*FILES, "manifest.json"],
        "digests": {
            "spec": asked.digest,
            "gallery": finished["gallery"]["digest"],
            "weights": finished["model"]["weights"],
        },
        "edit": finished["edit"],
        "summary": finished["summary"],
        "absent": finished["evidence"]["absent"],
        "notes": finished["notes"],
    }
    emit(document, as_json, lambda: _audit_lines(document))


def _audit_lines(document: dict[str, Any]) -> Iterator[str]:
    yield from (f"note: {note}" for note in document["notes"])
    for name in ("gap", "ability"):
        yield f"{name}:"
        yield from (f"  {arm}: {estimate_text(value)}" for arm, value in document["summary"][name].items())
    yield from (f"{arm}: not measured: {reason}" for arm, reason in document["absent"].items())
    yield f"written to {document['out']}: {', '.join(document['files'])}"
