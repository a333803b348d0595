"""Two documents beside each other: a line for every value that differs by more than sums in another order explain."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

EQUAL = 1e-9
"""Numbers that differ by less, relative to 1 or their size, are equal: sums in another order."""
ROUNDED = {"cost": 1e-5, "leakage": 1e-4}
"""The same for what is computed from float32 embeddings: AUC and accuracy, and a fitted probe."""
P_RELATIVE = 1e-6
"""A p is compared relative to its own size: small ones differ by much where their difference is small."""
UNCHECKED = ("created_at", "software", "options")
"""Parts of the document that say who and when; only their digest vouches for them."""


def checked(document: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a document that are computed again."""
    return {key: value for key, value in document.items() if key not in UNCHECKED}


def compared(said: Any, own: Any, path: tuple[str, ...] = ()) -> list[str | None]:
    """For every value of two documents a line where they differ, None where they are equal."""
    found: list[str | None] = []
    allowed = Allowed()
    for part in path:
        allowed = allowed.below(part)
    _compare(said, own, path, allowed, found)
    return found


class Allowed(NamedTuple):
    """Largest difference of two numbers that sums in another order explain."""

    relative: float = EQUAL
    least: float = 1.0
    """Size that a smaller number is taken for."""

    def below(self, key: str) -> "Allowed":
        """What is allowed of the values under a key. A p stays one, whatever it belongs to."""
        if _is_p(key):
            return Allowed(P_RELATIVE, 0.0)
        if key in ROUNDED and self.least:
            return Allowed(max(ROUNDED[key], self.relative))
        return self


def _compare(said: Any, own: Any, path: tuple[str, ...], allowed: Allowed, found: list[str | None]) -> None:
    if isinstance(said, dict) and isinstance(own, dict):
        for key in said if said.keys() == own.keys() else dict.fromkeys([*said, *own]):
            if key not in said or key not in own:
                why = "is not in the report" if key not in said else "does not follow from the data"
                found.append(f"{' | '.join(path)} | {key}: {why}")
            else:
                name = str(key)
                _compare(said[key], own[key], (*path, name), allowed.below(name), found)
    elif isinstance(said, list) and isinstance(own, list):
        if len(said) != len(own):
            found.append(f"{' | '.join(path)}: has {len(said)} entries, recomputed {len(own)}")
        for i, (a, b) in enumerate(zip(said, own, strict=False)):
            _compare(a, b, (*path, _name(b, i)), allowed, found)
    elif said == own and type(said) is type(own):
        found.append(None)
    elif _is_number(said) and _is_number(own):
        off = abs(said - own)
        same = off <= allowed.relative * max(allowed.least, abs(own)) or said == own
        found.append(None if same else f"{' | '.join(path)}: says {said!r}, recomputed {own!r}, differs by {off:.3g}")
    else:
        found.append(f"{' | '.join(path)}: says {said!r}, recomputed {own!r}")


def _is_p(key: str) -> bool:
    return key in ("p", "lean_p") or key.startswith(("p_", "lean_p_"))


def _name(item: Any, i: int) -> str:
    """What a reader calls an entry of a list: its prompt, attribute or id, else its place."""
    if isinstance(item, Mapping):
        return str(next((item[name] for name in ("id", "prompt", "attribute") if item.get(name)), i + 1))
    return str(i + 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
