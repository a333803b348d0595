"""`serve`: the app alone on this machine, or a team's server with its workers, from one file."""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.access import CONFIG_VARIABLE
from core.cli.app import BAD_INPUT, app

if TYPE_CHECKING:
    from core.jobs.store import JobStore
    from core.team.configuration import Configuration

Config = Annotated[
    Path | None, typer.Option("--config", envvar=CONFIG_VARIABLE, help="The team server's file (TOML); see the guide.")
]

SIGN_IN = ("authlib", "httpx")
"""What Streamlit signs people in with; it asks for them only when somebody does."""


@app.command("serve")
def serve(
    config: Config = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what is configured, or what is wrong.")] = False,
) -> None:
    """Serve the app: on this machine alone, or for a team as a file says."""
    from core.team.serving import alone

    if config is None:
        if check:
            print("nothing is configured: one person works alone, on localhost")
            return
        alone()
        return
    from core.team.configuration import checked

    configuration, wrong = checked(config)
    if configuration is not None and configuration.mode == "oidc":
        wrong += [
            f"[access] mode 'oidc' needs the package {name}, which is not installed: pip install {name}"
            for name in SIGN_IN
            if importlib.util.find_spec(name) is None
        ]
    if configuration is None or wrong:
        for line in wrong:
            print(line, file=sys.stderr)
        raise typer.Exit(BAD_INPUT)
    from core.team.secrets_file import secrets_text

    text = secrets_text(configuration)
    if check:
        for line in _told(configuration):
            print(line)
        return
    from core.team import serving

    @cache
    def store() -> "JobStore":
        from core.jobs.store import JobStore

        return JobStore(configuration.jobs)

    def jobs() -> Mapping[str, int]:
        return store().counts()

    serving.serve(configuration, text, jobs, lambda line: print(line, file=sys.stderr, flush=True))


def _told(configuration: "Configuration") -> Iterator[str]:
    """What is configured, a line each; no secret and no password."""
    from core.databases import public_address

    yield f"mode: {configuration.mode}{', offline' if configuration.offline else ''}"
    yield f"listens on {configuration.address} port {configuration.port}; people type {configuration.public_url or '-'}"
    yield f"health and metrics on {configuration.metrics_address} port {configuration.metrics_port}"
    yield f"roles of everyone who enters: {', '.join(sorted(configuration.everyone)) or 'none'}"
    for role, who in configuration.grants.items():
        yield f"{role}: {', '.join(who)}"
    for kind, named in configuration.roots.items():
        for name, folder in named.items():
            yield f"{kind} {name}: {folder}"
    for role, limits in configuration.limits.items():
        stated = {name: value for name, value in vars(limits).items() if value is not None}
        yield f"limits of {role}: {', '.join(f'{name} {value:g}' for name, value in stated.items()) or 'none'}"
    yield f"own folder: {configuration.home or 'of the user'}"
    for what, where in (
        ("labels", configuration.labels),
        ("jobs", configuration.jobs),
        ("record", configuration.record),
    ):
        yield f"{what}: {public_address(where) if where else 'SQLite in the own folder'}"
    yield f"workers: {configuration.workers}"
