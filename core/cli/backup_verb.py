"""`backup`: what a team server keeps, in one folder that is whole or not there."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.access import CONFIG_VARIABLE
from core.cli.app import app
from core.cli.output import Json, emit

if TYPE_CHECKING:
    from core.team.backup import Done, Kept

Config = Annotated[Path, typer.Option("--config", envvar=CONFIG_VARIABLE, help="The team server's file.")]


@app.command("backup")
def backup(
    config: Config, to: Annotated[Path, typer.Option("--to", help="A new folder.")], as_json: Json = False
) -> None:
    """Copy the own folder, labels, jobs and the record of a team server, which may run meanwhile."""
    from core.team import backup as backups

    home, kept = kept_by(config)
    done = backups.backup(home, kept, config, to)
    emit({"schema": 1, "to": str(to), **counted(done)}, as_json, lambda: told(done, f"in {to}"))


def kept_by(config: Path) -> tuple[Path, "list[Kept]"]:
    """The own folder and the databases that a configuration names."""
    from core.config import own_folder
    from core.jobs import rows
    from core.labelling import log
    from core.team import record
    from core.team.backup import Kept
    from core.team.configuration import read

    read_from = read(config)
    databases = [
        Kept("labels", read_from.labels, log.TABLES),
        Kept("record", read_from.record, record.TABLES),
        Kept("jobs", read_from.jobs, rows.TABLES),
    ]
    return read_from.home or own_folder(), databases


def counted(done: "Done") -> dict[str, object]:
    return {"files": done.files, "bytes": done.bytes, "rows": dict(done.rows), "left_out": list(done.left_out)}


def told(done: "Done", where: str) -> Iterator[str]:
    yield f"{done.files:,} files, {done.bytes:,} bytes {where}"
    for name, rows in done.rows.items():
        yield f"{name}: {rows:,} rows"
    if done.left_out:
        yield f"left out, as they are no files: {', '.join(done.left_out)}"
    yield "galleries, SAEs, models and audits under the roots are not in it: copy their folders as they are"
