"""`build-default`: everything the first run needs, made again from code."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.app import app
from core.cli.output import progress_bar
from core.config import ASSETS


@app.command("build-default")
def build_default(
    out: Annotated[Path, typer.Option("--out", help="Folder of the assets.")] = ASSETS,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the parts that are finished.")] = False,
) -> None:
    """Draw the avatar world, train its models and SAEs, build its galleries; about half an hour on two cores."""
    from core.avatars.build import build_default as build
    from core.lvlm.default.building import language_parts

    with progress_bar() as progress:
        build(out, seed=seed, resume=resume, progress=progress, more=language_parts)
    print(f"the offline default is in {out}")
