"""`restore`: a team server's backup, put back where nothing is."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.app import app
from core.cli.backup_verb import Config, counted, kept_by, told
from core.cli.output import Json, emit


@app.command("restore")
def restore(
    config: Config,
    source: Annotated[Path, typer.Option("--from", help="The folder that `backup` wrote.")],
    as_json: Json = False,
) -> None:
    """Put a backup back into an empty own folder and empty databases; killed halfway, the same again goes on."""
    from core.team import backup as backups

    home, kept = kept_by(config)
    done = backups.restore(source, home, kept)
    emit({"schema": 1, "from": str(source), **counted(done)}, as_json, lambda: told(done, f"restored from {source}"))
