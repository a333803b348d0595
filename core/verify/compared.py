"""Two documents beside each other: a line for every value that differs by more than sums in another order explain."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

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


def compared(said: Any, own: Any, path: tuple[str, ...] = ()) -> Iterator[str | None]:
    """For every value of two documents a line where they differ, None where they are equal."""
    where = " | ".join(path)
    if isinstance(said, Mapping) and isinstance(own, Mapping):
        for key in dict.fromkeys([*said, *own]):
            if key not in said or key not in own:
                why = "is not in the report" if key not in said else "does not follow from the data"
                yield f"{where} | {key}: {why}"
            else:
                yield from compared(said[key], own[key], (*path, str(key)))
    elif isinstance(said, list) and isinstance(own, list):
        if len(said) != len(own):
            yield f"{where}: has {len(said)} entries, recomputed {len(own)}"
        for i, (a, b) in enumerate(zip(said, own, strict=False)):
            yield from compared(a, b, (*path, _name(b, i)))
    elif _is_number(said) and _is_number(own):
        off = abs(said - own)
        same = off <= _allowed(path, own) or (said == own)
        yield None if same else f"{where}: says {said!r}, recomputed {own!r}, differs by {off:.3g}"
    else:
        yield None if said == own and type(said) is type(own) else f"{where}: says {said!r}, recomputed {own!r}"


def _allowed(path: tuple[str, ...], own: float) -> float:
    """Largest difference that sums in another order explain."""
    if any(_is_p(part) for part in path):
        return P_RELATIVE * abs(own)
    return max((ROUNDED[part] for part in path if part in ROUNDED), default=EQUAL) * max(1.0, abs(own))


def _is_p(key: str) -> bool:
    return key in ("p", "lean_p") or key.startswith(("p_", "lean_p_"))


def _name(item: Any, i: int) -> str:
    """What a reader calls an entry of a list: its prompt, attribute or id, else its place."""
    if isinstance(item, Mapping):
        return str(next((item[name] for name in ("id", "prompt", "attribute") if item.get(name)), i + 1))
    return str(i + 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
