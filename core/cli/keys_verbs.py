"""`keys make`, `keys sign`: who stands behind a report."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.app import app
from core.cli.output import Json, emit
from core.config import InputError

verbs = typer.Typer(help="Keys that reports are signed with.", no_args_is_help=True)
app.add_typer(verbs, name="keys")


@verbs.command("make")
def make(
    out: Annotated[Path, typer.Option("--out", help="File of the private half; the public one gets .pub behind it.")],
    as_json: Json = False,
) -> None:
    """Make an Ed25519 key: the private half stays with you, the public one goes to whoever checks your reports."""
    from core.report.signing import make_keys

    public, key = make_keys(out)
    document = {"schema": 1, "algorithm": "Ed25519", "private": str(out), "public": str(public), "key": key}
    emit(
        document,
        as_json,
        lambda: iter(
            [
                f"key {key[:16]}",
                f"private half, for `audit --sign`: {out} (readable by you alone; keep a copy)",
                f"public half, for `verify --public`: {public}",
            ]
        ),
    )


@verbs.command("sign")
def sign(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished report.")],
    key: Annotated[Path, typer.Option("--key", help="The private half that `keys make` wrote.")],
    as_json: Json = False,
) -> None:
    """Sign a report that is finished, also one of a model's answers."""
    from core.report import signing

    if not (folder / "manifest.json").is_file():
        raise InputError(f"{folder} is no report (it has no manifest.json); give the folder that `audit` wrote")
    made = signing.sign(folder, key)
    document = {"schema": 1, "out": str(folder / signing.SIGNATURE), "key": made.key}
    emit(document, as_json, lambda: iter([f"signed with the key {made.key[:16]}: {document['out']}"]))
