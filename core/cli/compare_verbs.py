"""`audit-diff`: two reports beside each other. `audit-gate`: is anything worse than in an earlier one?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.app import app
from core.cli.output import Json, emit, progress_bar


@app.command("audit-diff")
def audit_diff(
    first: Annotated[Path, typer.Argument(help="Folder of one report.")],
    second: Annotated[Path, typer.Argument(help="Folder of the other; differences are second minus first.")],
    as_json: Json = False,
) -> None:
    """What was asked of both audits, and what changed: paired where both searched the same items."""
    from core.report import comparison

    found = comparison.audit_diff(*(comparison.read_audit(folder) for folder in (first, second)))
    emit(found, as_json, lambda: _differences(found))


@app.command("audit-gate")
def audit_gate(
    spec: Annotated[Path, typer.Argument(help="SPEC.json: run now.")],
    against: Annotated[Path, typer.Option("--against", help="Folder of the report that it must not be worse than.")],
    out: Annotated[Path | None, typer.Option("--out", help="Keep today's report in this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Run an audit and hold it against an earlier report: 0, or 1 with one line a finding that got worse."""
    from core.audit.frozen import load_spec
    from core.audit.run import run
    from core.reading import through_json
    from core.report import ReportOptions, comparison, gate, report_document, write_report

    asked, frozen = load_spec(spec)
    report = comparison.read_audit(against)
    gate.refuse_other_questions(asked, report)
    with progress_bar() as progress:
        result = run(asked, progress=progress)
    options = ReportOptions(frozen=frozen)
    if out is not None:
        write_report(result, out, options)
    found = gate.gate(report, through_json(report_document(result, options)[0]))
    emit(found, as_json, lambda: _verdict(found))
    if not found["passed"]:
        raise typer.Exit(1)


def _verdict(found: dict[str, Any]) -> Iterator[str]:
    for one in found["worse"]:
        about = one["prompt"] if "prompt" in one else one["cost"]
        yield f"worse: {one['attribute']} | {about} | {one['arm']}: {one['line']}"
    if found["passed"]:
        how = "on the same items" if found["paired"] else "on other items"
        yield f"nothing is worse beyond chance: {found['compared']} lists and {found['costs']} costs compared, {how}"


def _differences(found: dict[str, Any]) -> Iterator[str]:
    from core.report.difference_words import asked_lines, finding_lines, list_line, named_line

    for name in ("a", "b"):
        yield f"{name}: {named_line(found[name])}"
    yield from asked_lines(found)
    for one in found["lists"]:
        yield f"{one['attribute']} | {one['prompt']} | {one['arm']}: {list_line(one)}"
    yield from finding_lines(found)
