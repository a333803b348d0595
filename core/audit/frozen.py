"""A spec that was fixed before anything was measured: its digest and the time, in a file beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.audit.spec import AuditSpec
from core.config import InputError
from core.store import read_json, write_json

KIND = "frozen audit spec"
SUFFIX = ".frozen.json"
KEYS = {"schema", "kind", "frozen_at", "digest", "spec"}


@dataclass(frozen=True)
class Frozen:
    """When a spec was fixed, and which one it was."""

    at: str
    """ISO 8601 with the time zone."""
    digest: str
    """Of the spec; see `AuditSpec.digest`."""

    def to_json(self) -> dict[str, str]:
        return {"at": self.at, "digest": self.digest}


def frozen_path(spec: Path) -> Path:
    """Where the frozen form of a spec lies: SPEC.frozen.json beside SPEC.json."""
    return spec if spec.name.endswith(SUFFIX) else spec.with_name(spec.stem + SUFFIX)


def freeze(path: Path) -> tuple[Path, Frozen]:
    """Write the frozen form of a spec beside it; one that is there already stays, and is the answer.

    InputError where the spec is none, or where another one was frozen under this name: what was fixed stays fixed.
    """
    spec, before = load_spec(path)
    out = frozen_path(path)
    if before is not None:
        return out, before
    made = Frozen(datetime.now(UTC).isoformat(timespec="seconds"), spec.digest)
    write_json(out, {"schema": 1, "kind": KIND, "frozen_at": made.at, "digest": made.digest, "spec": spec.to_json()})
    return out, made


def load_spec(path: Path) -> tuple[AuditSpec, Frozen | None]:
    """The spec in a file, and when it was frozen: the file is a frozen one, or such a one lies beside it.

    InputError where the spec is not, or no longer, the one that was frozen.
    """
    path = Path(path)
    beside = frozen_path(path)
    if path == beside:
        return _frozen(path)
    spec = AuditSpec.load(path)
    if not beside.is_file():
        return spec, None
    _, frozen = _frozen(beside)
    if frozen.digest != spec.digest:
        raise InputError(
            f"{path} has digest {spec.digest[:16]}, but {beside.name} fixed {frozen.digest[:16]} at {frozen.at}; "
            "audit the frozen file, or give the new spec another name"
        )
    return spec, frozen


def _frozen(path: Path) -> tuple[AuditSpec, Frozen]:
    value: Any = read_json(path)
    if not isinstance(value, Mapping) or set(value) != KEYS or value["kind"] != KIND:
        raise InputError(f"{path} is no frozen spec; expected what `audit SPEC.json --freeze` wrote")
    try:
        spec = AuditSpec.from_json(value["spec"])
        dated = datetime.fromisoformat(value["frozen_at"]).tzinfo is not None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (TypeError, ValueError):
        dated = False
    if not dated:
        raise InputError(f"{path}: frozen_at was {value['frozen_at']!r}; expected a date with its time zone")
    if spec.digest != value["digest"]:
        raise InputError(
            f"{path} was changed after it was frozen: it names the spec {str(value['digest'])[:16]} and holds "
            f"{spec.digest[:16]}; take the file as it was, or freeze the new spec under another name"
        )
    return spec, Frozen(value["frozen_at"], spec.digest)
