"""Reports of other versions of the app, whose numbers have other meanings or come out a little otherwise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.config import VERSION, InputError
from core.report.document import SCHEMA
from core.store import file_digest, read_json

OLDER = (1,)
"""Schemas of earlier versions, whose numbers had other meanings."""
OTHER_DRAWS = ("0.2.0",)
"""Versions with the same keys whose drawn numbers and leakage come out a little otherwise."""


def refuse_other_schemas(folder: Path, manifest: Mapping[str, Any]) -> None:
    """InputError for a report whose numbers have other meanings: it can neither be confirmed nor contradicted here.

    A document that was changed, or cannot be read, is left to the digests.
    """
    path = folder / "report.json"
    if not path.is_file() or file_digest(path) != manifest["files"].get(path.name):
        return
    try:
        document = read_json(path)
    except InputError:
        return
    wrote = document.get("software", {}).get("unskew", "unknown")
    if wrote in OTHER_DRAWS:
        raise InputError(
            f"{path} was written by version {wrote} of the app, which draws p of means and fits leakage otherwise "
            f"than this version {VERSION}: verify it with version {wrote}, or run `audit` on its spec again"
        )
    if (schema := document.get("schema")) in OLDER:
        raise InputError(
            f"{path} has schema {schema}, written by version {wrote} of the app; this is version {VERSION}, which "
            f"verifies schema {SCHEMA}: verify it with version {wrote}, or run `audit` on its spec again"
        )
