"""`audit`: a spec in, a report out. `verify`: the report against its data."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import app
from core.cli.output import Json, emit, progress_bar
from core.cli.rank_verb import p_text
from core.config import InputError, Progress, about
from core.verdicts import NOT_COMPUTED, TARGET_CHANGE_WORDS, in_points, smallest

if TYPE_CHECKING:
    from core.audit.run import AuditResult
    from core.audit.spec import AuditSpec


@app.command("audit")
def audit(
    spec: Annotated[Path, typer.Argument(help="SPEC.json: what is asked, written down before anything is measured.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the report.")] = None,
    auditor: Annotated[str, typer.Option("--auditor", help="Who audits; stands in the report.")] = "not stated",
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Embed pictures, where the gallery's licence note allows it.")
    ] = False,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="FINDING=REASON: leave a finding out; recorded.")
    ] = None,
    frozen: Annotated[
        bool,
        typer.Option("--freeze", help="Fix the spec: write SPEC.frozen.json with digest and time, measure nothing."),
    ] = False,
    key: Annotated[
        Path | None, typer.Option("--sign", help="Private half of a key of `keys make`; signs the report.")
    ] = None,
    pdf: Annotated[
        Path | None, typer.Option("--pdf", help="Also print the page to this file, outside of the report's folder.")
    ] = None,
    engine: Annotated[
        Path | None, typer.Option("--engine", help="ENGINE.json: a running search, or its lists; audited as it is.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run an audit and write its report: HTML, JSON, CSV, model card and a manifest that `verify` reads.

    Over the finished report of the same audit nothing is done; an interrupted one goes on where it was. A spec that was
    frozen is audited as it was frozen, or not at all.
    """
    if frozen:
        _freeze(spec, as_json)
        return
    if out is None:
        raise InputError("audit needs --out, the folder of the report, or --freeze, which only fixes the spec")
    from core.audit.frozen import load_spec
    from core.report import FILES, ReportOptions, own_report, write_report
    from core.report.signing import private_key, sign
    from core.store import atomic_file, forget_workplace, read_json, resumable_folder

    asked, fixed = load_spec(spec)
    options = ReportOptions(auditor, thumbnails, _removed(remove or []), fixed)
    if key is not None:
        private_key(key)  # refused before long work
    if pdf is not None:
        _refuse_pdf(pdf, out)
    finished = own_report(out, asked, options) if engine is None else None
    if finished is None:
        with resumable_folder(out) as partial, progress_bar() as progress:
            with about(spec):
                result = _run(asked, engine, partial, progress)
            write_report(result, out, options)
        finished = read_json(out / "report.json")
    else:
        forget_workplace(out)
    document = {
        "schema": 1,
        "out": str(out),
        "files": [*FILES, "manifest.json"],
        "k": asked.k,
        "target": asked.to_json()["target"],
        "digests": {"spec": asked.digest, "gallery": finished["gallery"]["digest"]}
        | {"saes": {side: sae["digest"] for side, sae in finished["saes"].items()}},
        "frozen": finished["options"]["frozen"],
        "signature": sign(out, key).to_json() if key is not None else None,
        "notes": finished["notes"],
        "findings": finished["findings"],
    }
    if pdf is not None:
        from core.report.pdf import page_to_pdf

        printed = page_to_pdf((out / "report.html").read_bytes())
        with atomic_file(pdf) as partial:
            partial.write_bytes(printed)
        document["pdf"] = str(pdf)
    emit(document, as_json, lambda: _findings(document))


def _refuse_pdf(pdf: Path, out: Path) -> None:
    """InputError, before long work, where nothing can be printed, or where it would not belong to the report."""
    from core.report.pdf import DIALOG, browser

    if browser() is None:
        raise InputError(f"--pdf needs Chromium or Chrome on this machine, and none was found; {DIALOG}")
    if pdf.resolve().parent == out.resolve():
        raise InputError(
            f"--pdf was {pdf}, inside the report's folder, which holds its own files alone; choose another"
        )


def _freeze(spec: Path, as_json: bool) -> None:
    from core.audit.frozen import freeze, load_spec

    path, fixed = freeze(spec)
    asked, _ = load_spec(path)
    document = {"schema": 1, "frozen": str(path), "frozen_at": fixed.at, "digest": fixed.digest, "k": asked.k}
    document |= {"target": asked.to_json()["target"], "digests": {"spec": fixed.digest}}
    said = f"frozen at {fixed.at}, digest {fixed.digest[:16]}: {path}; audit it with `audit {path} --out DIR`"
    emit(document, as_json, lambda: iter([said]))


def _run(spec: "AuditSpec", engine: Path | None, folder: Path, progress: Progress) -> "AuditResult":
    """The audit of the gallery's own embeddings, or of a running search."""
    if engine is None:
        from core.audit.run import run

        return run(spec, folder=folder, progress=progress)
    from core.audit.engine import run_engine
    from core.engines import load_engine

    return run_engine(spec, load_engine(engine), folder, progress)


def _removed(pairs: list[str]) -> dict[str, str]:
    removed = {}
    for pair in pairs:
        name, equals, reason = pair.rpartition("=")
        if not equals or not name or not reason.strip():
            raise InputError(f"--remove was {pair!r}; expected FINDING=REASON with the finding's id and a reason")
        removed[name] = reason.strip()
    return removed


def _findings(document: dict[str, Any]) -> Iterator[str]:
    yield from (f"note: {note}" for note in document["notes"])
    yield from (f"{finding['id']}: {_finding(finding)}" for finding in document["findings"])
    yield f"written to {document['out']}: {', '.join(document['files'])}"
    if "pdf" in document:
        yield f"printed to {document['pdf']}"
    if document["signature"] is not None:
        yield f"signed with the key {document['signature']['key'][:16]}"


def _finding(finding: dict[str, Any]) -> str:
    """The verdict of a finding with its group, number and p; a group is named only where it is beyond chance."""
    value, verdict = finding["value"], finding["verdict"]
    if finding["p"] is None:
        return f"{NOT_COMPUTED}: {value['reason']}" if value["estimate"] is None else NOT_COMPUTED
    p = f"{p_text(finding['p'])}{smallest(finding['p'], finding['p_smallest'])}"
    p += f", adjusted {p_text(finding['p_adjusted'])} ({finding['correction']}, m = {finding['m']})"
    said = TARGET_CHANGE_WORDS.get(verdict, verdict)
    if finding["group"] is None or not finding["interpreted"] or value["estimate"] is None:
        return f"{said}; {p}"
    ends = ", ".join([f"{in_points(value['lo'])} to {in_points(value['hi'])}", f"n = {value['n']}"])
    return f"{said}: {finding['group']} {in_points(value['estimate'])} points ({ends}); {p}"


@app.command("verify")
def verify(
    folder: Annotated[Path, typer.Argument(help="The report's folder.")],
    gallery: Annotated[
        list[Path] | None, typer.Option("--gallery", help="Where a gallery of the report is here; repeatable.")
    ] = None,
    sae: Annotated[list[Path] | None, typer.Option("--sae", help="Where an SAE of the report is here.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Text encoder of the gallery, to encode the prompts again.")
    ] = None,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Take the report's prompt embeddings as they are; said in the result.")
    ] = False,
    public: Annotated[
        Path | None, typer.Option("--public", help="Public half of the key that should have signed the report.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare digests and compute every number again: 0 all equal, 1 with a line for each difference."""
    from core.verify import verify as check

    with progress_bar() as progress:
        verdict = check(folder, gallery or [], sae or [], progress, model, not no_model, public)
    document = verdict.to_json()
    emit(document, as_json, lambda: iter(verdict.sentences()))
    if not verdict.equal:
        raise typer.Exit(1)
