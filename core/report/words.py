"""Numbers as they stand in the report: never alone, always with interval, n and target."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

Value = Mapping[str, Any]
METRICS = {"max_skew": "MaxSkew", "min_skew": "MinSkew", "ndkl": "NDKL", "kl": "KL"}
TARGETS = {"uniform": "even shares", "gallery": "the gallery's shares", "not applicable": "no target"}


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def plain(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def points(value: float) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * value:+.1f} points".replace("-", "−")


def target_name(target: Any) -> str:
    """The target in words; a single share as a percentage, a table as its groups."""
    if isinstance(target, Mapping):
        return "own table: " + ", ".join(f"{group} {percent(share)}" for group, share in target.items())
    return percent(target) if isinstance(target, float) else TARGETS.get(target, str(target))


def p_text(p: float | None) -> str:
    if p is None:
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


WRITE = {"share": percent, "points": points, "metric": plain, "change": signed, "ratio": plain}


def mark(value: Value, how: str, text: str) -> Markup:
    """Any text about one estimate, with the estimate's own numbers in attributes for whoever reads by machine."""
    kept = {name: value.get(name) for name in ("estimate", "lo", "hi", "n")}
    data = " ".join(f'data-{name}="{number!r}"' for name, number in kept.items())
    return Markup(
        f'<span class="est" {data} data-target="{escape(target_name(value["target"]))}">{escape(text)}</span>'
    )


def estimate(value: Value, how: str = "metric", n: bool = True) -> Markup:
    """ "87.0 % (79.0 to 92.2 %, n = 100)", or the reason why there is no number."""
    if value["estimate"] is None:
        return Markup(f'<span class="none">not computed: {escape(value["reason"])}</span>')
    write = WRITE[how]
    lo, hi = write(value["lo"]), write(value["hi"])
    unit = lo[lo.index(" ") :] if " " in lo else ""
    lo = lo.removesuffix(unit) if unit else lo
    count = f", n = {value['n']:,}" if n else ""
    return mark(value, how, f"{write(value['estimate'])} ({lo} to {hi}{count})")


def band(value: Value) -> Markup:
    """The null band of a metric."""
    if value["estimate"] is None or "null" not in value:
        return Markup('<span class="none">none</span>')
    lo, hi = value["null"]
    whole = {"estimate": value["null_mean"], "lo": lo, "hi": hi, "n": value["n"], "target": value["target"]}
    return mark(whole, "metric", f"{plain(lo)} to {plain(hi)} (mean {plain(value['null_mean'])}, n = {value['n']:,})")


def neurons(edits: Mapping[str, Any]) -> str:
    """What one edit switches, in words."""
    said = []
    for side, edit in edits.items():
        alpha = f", alpha {edit['alpha']:g}" if edit["form"] == "blend" else ""
        said.append(
            f"{side} neurons {_listed(edit)}; strength {edit['strength']:g}, gamma {edit['gamma']:g}, "
            f"{edit['form']}{alpha}"
        )
    return "; ".join(said) or "nothing is switched"


def _listed(edit: Mapping[str, Any]) -> str:
    """The neurons, each with its own strength and value where the edit has such: "3 (strength 0.8 to 0.12)"."""
    numbers, n = edit["neurons"], len(edit["neurons"])
    strengths, gammas = edit.get("strengths"), edit.get("gammas")
    if not (strengths or gammas):
        return ", ".join(map(str, numbers)) or "none"
    own = zip(numbers, strengths or [1.0] * n, gammas or [edit["gamma"]] * n, strict=True)
    return ", ".join(f"{neuron} (strength {strength:g} to {gamma:g})" for neuron, strength, gamma in own)
