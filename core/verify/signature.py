"""The signature of a report: what it vouches for, and what cannot be said without the key's public half."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.config import InputError
from core.report.signing import SHOWN, SIGNATURE, holds, public_key, read_signature


@dataclass(frozen=True)
class Signed:
    """What is known of a report's signature."""

    lines: tuple[str, ...] = ()
    """What is wrong with it; nothing else of the report is worth checking then."""
    key: str | None = None
    """Which key signed, by its fingerprint; None: the report is not signed."""
    checked: bool = False
    """Whether the public half was at hand, and the signature is its."""
    unchecked: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, "checked": self.checked}


def check_signature(folder: Path, public: Path | None) -> Signed:
    """Who signed the manifest, as far as that can be told here.

    A report that is not signed is in order where no key is given, and not where one is.

    InputError where `public` is no public half of an Ed25519 key.
    """
    key = public_key(public) if public is not None else None
    try:
        signature = read_signature(folder)
    except InputError as error:
        return Signed((str(error),))
    if key is None:
        if signature is None:
            return Signed(unchecked=("who stands behind the report: it is not signed",))
        said = f"the signature by the key {signature.key[:SHOWN]}: give its public half with --public"
        return Signed(key=signature.key, unchecked=(said,))
    if signature is None:
        return Signed((f"{SIGNATURE}: is missing: the report is not signed, and a key was given to check it with",))
    if not holds(folder, signature, key):
        why = "manifest.json is not what was signed, or another key signed it"
        return Signed((f"{SIGNATURE}: is not the signature of this report by the key of {public}: {why}",))
    return Signed(key=signature.key, checked=True)
