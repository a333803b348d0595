"""`labels add`, `export`, `import`, `agreement`, `sets`: the labelling log without a browser."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.app import app
from core.cli.output import Json, emit, estimate_text
from core.config import InputError

verbs = typer.Typer(help="The labelling log: who said what about which neuron.", no_args_is_help=True)
app.add_typer(verbs, name="labels")

Log = Annotated[str | None, typer.Option("--log", help="Database URL or SQLite file; ~/.unskew by default.")]
OnlySAE = Annotated[str | None, typer.Option("--sae", help="Only labels of this SAE (folder, name or digest).")]


@verbs.command("add")
def add(
    sae: Annotated[str, typer.Option("--sae", help="SAE folder or shipped name.")],
    neuron: Annotated[int, typer.Option("--neuron", help="Number of the neuron.")],
    rater: Annotated[str, typer.Option("--rater", help="Who says so.")],
    type: Annotated[str, typer.Option("--type", help="social, context, artefact or unclear.")],
    text: Annotated[str, typer.Option("--text", help="In the rater's own words.")] = "",
    attribute: Annotated[str | None, typer.Option("--attribute", help="For example gender, or watermark.")] = None,
    confidence: Annotated[float | None, typer.Option("--confidence", help="From 0 to 1.")] = None,
    confound: Annotated[bool, typer.Option("--confound", help="Something else may explain it.")] = False,
    gallery: Annotated[str | None, typer.Option("--gallery", help="Gallery that was looked at.")] = None,
    decision: Annotated[bool, typer.Option("--decision", help="Settles a dispute between raters.")] = False,
    id: Annotated[str | None, typer.Option("--id", help="Unique id: a repeated command then adds nothing.")] = None,
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Add one label of a neuron."""
    from core.labelling import LabelEvent, LabelLog
    from core.saes.checkpoint import load_sae

    file = load_sae(sae)
    size = file.sae.config.d_sae
    if not 0 <= neuron < size:
        raise InputError(f"--neuron was {neuron}; {file.name} has neurons 0 to {size - 1}")
    entry = LabelEvent(
        neuron=neuron,
        rater=rater,
        sae=file.digest,
        kind="adjudication" if decision else "label",
        gallery=_gallery_digest(gallery),
        type=type,
        attribute=attribute,
        text=text,
        confidence=confidence,
        confound=confound,
    )
    entry = entry if id is None else replace(entry, id=id)
    kept = LabelLog(log)
    new = kept.add(entry)
    document = {"schema": 1, "added": int(new), "event": entry.to_json(), "log": kept.public}
    emit(document, as_json, lambda: iter([f"{'added' if new else 'already there'}: neuron {neuron}, {entry.category}"]))


@verbs.command("export")
def export(
    out: Annotated[Path | None, typer.Option("--out", help="File (.csv or .json); standard output otherwise.")] = None,
    sae: OnlySAE = None,
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Every event of the log, oldest first, as JSON or CSV."""
    from core.labelling import LabelLog
    from core.labelling.exchange import document, to_csv, write_events

    kept = LabelLog(log)
    events = kept.events(_sae_digest(sae))
    for line in kept.warnings():
        print(f"warning: {line}", file=sys.stderr)
    if out is not None:
        write_events(events, out)
        emit({"schema": 1, "events": len(events), "out": str(out)}, as_json, lambda: iter([f"{len(events)} events"]))
    else:
        emit(document(events), as_json, lambda: iter(to_csv(events).splitlines()))


@verbs.command("import")
def import_labels(
    source: Annotated[Path, typer.Argument(help="CSV or JSON file as `labels export` writes it.")],
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Add the events of a file; those that are there already are not added again."""
    from core.labelling import LabelLog
    from core.labelling.exchange import read_events

    events = read_events(source)
    added = LabelLog(log).extend(events)
    document = {"schema": 1, "read": len(events), "added": added, "already_there": len(events) - added}
    emit(document, as_json, lambda: iter([f"{added} of {len(events)} events added"]))


@verbs.command("agreement")
def agreement(
    sae: OnlySAE = None,
    by: Annotated[str, typer.Option("--by", help="type, or category: type and attribute together.")] = "type",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the intervals.")] = 0,
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Cohen's kappa (two raters) and Krippendorff's alpha, on the neurons that at least two raters labelled."""
    from core.config import one_of
    from core.labelling import LabelLog, standings
    from core.labelling import agreement as agree

    one_of(by, ("type", "category"), "--by")
    found = agree(standings(LabelLog(log).events(_sae_digest(sae))).values(), by == "category", seed)
    document = {"schema": 1, **found.to_json(), "by": by, "seed": seed}
    emit(document, as_json, lambda: _agreement_lines(document))


@verbs.command("sets")
def sets(sae: OnlySAE = None, log: Log = None, as_json: Json = False) -> None:
    """Named sets of labelled neurons with their hashes, for edits and audit specs."""
    from core.labelling import LabelLog

    kept = [made.to_json() for made in LabelLog(log).sets(_sae_digest(sae))]
    emit({"schema": 1, "sets": kept}, as_json, lambda: _set_lines(kept))


@verbs.command("set")
def make_set(
    name: Annotated[str, typer.Argument(help='For example "gender, agreed by 3".')],
    sae: Annotated[str, typer.Option("--sae", help="SAE folder or shipped name.")],
    type: Annotated[str, typer.Option("--type")] = "social",
    attribute: Annotated[str | None, typer.Option("--attribute", help="Any of the type where left out.")] = None,
    least: Annotated[int, typer.Option("--agreed-by", min=1, help="Raters who must say so.")] = 2,
    gallery: Annotated[str | None, typer.Option("--gallery", help="Only labels given on this gallery.")] = None,
    by: Annotated[str, typer.Option("--by", help="Who makes the set.")] = "",
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Make a named set of the neurons on which raters agree; it is found again by its hash."""
    from core.labelling import LabelLog, LabelSet, agreed_neurons, raters_of, rule_text, standings

    digest, looked_at, kept = _sae_digest(sae), _gallery_digest(gallery), LabelLog(log)
    standing = [s for s in standings(kept.events(digest)).values() if looked_at in (None, s.gallery)]
    neurons = agreed_neurons(standing, type, attribute, least)
    rule = rule_text(type, attribute, least)
    said = raters_of(standing, neurons)
    made = kept.save_set(LabelSet(name, str(digest), neurons, rule, by=by, gallery=looked_at, raters=said))
    emit({"schema": 1, **made.to_json()}, as_json, lambda: _set_lines([made.to_json()]))


def _gallery_digest(name: str | None) -> str | None:
    from core.gallery import open_gallery

    return None if name is None else open_gallery(name).digest


def _sae_digest(name: str | None) -> str | None:
    """The digest of an SAE that is here, or the digest itself."""
    from core.saes.checkpoint import load_sae

    if name is None or (len(name) == 64 and set(name) <= set("0123456789abcdef")):
        return name
    return load_sae(name).digest


def _agreement_lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['items']} neurons labelled by at least two of {', '.join(document['raters']) or 'nobody'}"
    yield f"Cohen's kappa: {estimate_text(document['cohen_kappa'])}"
    yield f"Krippendorff's alpha: {estimate_text(document['krippendorff_alpha'])}"


def _set_lines(kept: list[dict[str, Any]]) -> Iterator[str]:
    for made in kept:
        neurons = ", ".join(map(str, made["neurons"][:20])) + (" ..." if len(made["neurons"]) > 20 else "")
        yield f"{made['hash'][:16]}  {made['name']}, version {made['version']}: {neurons} ({made['rule']})"
