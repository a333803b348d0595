"""Numbers as words: percentages, intervals, and the plain sentences above the figures. No streamlit, no arrays."""

from collections.abc import Mapping, Sequence

from core.statistics import Estimate

TARGET_NAMES = {"uniform": "even shares", "gallery": "gallery shares", "own table": "own table"}
ITEM_NAMES = {"images": "pictures", "captions": "captions"}
READINGS = {
    "beyond": "beyond chance",
    "inside": "not distinguishable from no bias",
    "nearer": "nearer to the target than chance",
}
METRIC_NAMES = {"max_skew": "MaxSkew", "min_skew": "MinSkew", "ndkl": "NDKL", "kl": "KL"}
METRIC_HELP = {
    "max_skew": "log of share ÷ target for the most over-represented group; 0 is no skew",
    "min_skew": "the same for the most under-represented group; 0 is no skew",
    "ndkl": "distance from the target along the ranking, early ranks weigh more; 0 is no bias",
    "kl": "distance of the top k from the target; 0 is no bias",
}


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage; small and near-full shares keep a decimal so that they do not read as 0 or 100."""
    value = 100 * share
    if digits == 0 and (0 < value < 0.95 or 99.05 < value < 100):
        digits = 1
    return f"{value:.{digits}f} %"


def interval(e: Estimate) -> str:
    """The 95 % interval of a share, in brackets, without the sign."""
    return f"({percent(e.lo)[:-2]} to {percent(e.hi)[:-2]})"


def share_text(e: Estimate) -> str:
    """A share with interval and count, or the reason why there is none."""
    if e.estimate is None:
        return e.reason or "cannot be computed"
    return f"{percent(e.estimate)} {interval(e)} of {e.n:,}"


def number(value: float | None) -> str:
    """A metric's value with a true minus sign; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:.2f}" if abs(value) >= 0.0995 or value == 0 else f"{value:.3f}"
    return text.replace("-", "−")


def signed(value: float | None) -> str:
    """A difference with its sign in front."""
    if value is None:
        return "–"
    return f"+{number(value)}" if value > 0 else number(value)


def listing(names: Sequence[object], most: int = 6) -> str:
    """Names with commas and "and"; after `most` of them only how many more there are."""
    words = [str(name) for name in names]
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"


def leading_group(shares: Mapping[str, Estimate], target: Mapping[str, float]) -> str | None:
    """The group furthest above its target, by the ratio of the two; None where nothing could be counted."""
    known = {g: e.estimate / target[g] for g, e in shares.items() if e.estimate is not None and target.get(g)}
    return max(known, key=lambda g: known[g]) if known else None


def headline(
    query: str, k: int, group: str, share: Estimate, gallery_share: float, items: str, part: bool = False
) -> str:
    """What was found, in one sentence with count, interval and the gallery's own share. Markdown.

    Parameters
    ----------
    gallery_share : the group's share among the searched items.
    items : what is searched, "pictures" or "captions".
    part : True where only a part of the gallery is searched.
    """
    found = round(share.estimate * share.n)
    of = f"the {k:,}" if share.n == k else f"the {share.n:,} with a known label among the {k:,}"
    whole = "this part of the gallery" if part else "the gallery"
    return (
        f"Of {of} {items} nearest to “{query}”, **{found:,} are {group}** "
        f"({percent(share.estimate)}, 95 % interval {interval(share)[1:-1]}), "
        f"where {whole} has {percent(gallery_share)}."
    )


def after_line(switched: str, group: str, share: Estimate, before: Estimate) -> str:
    """The same count after the edit. Markdown."""
    found, was = round(share.estimate * share.n), round(before.estimate * before.n)
    change = f"instead of {was}" if found != was else "as many as before"
    return f"With {switched}: **{found} are {group}** ({interval(share)[1:-1]} %), {change}."


def reading(value: Estimate) -> str:
    """What a metric's value says beside its null band, in words."""
    if value.estimate is None:
        return value.reason or "cannot be computed"
    if value.null is None:
        return "no null band was computed"
    return READINGS.get(str(value.null_side), READINGS["inside"])


def skew_line(before: Estimate, after: Estimate | None) -> str:
    """MaxSkew before and after beside its null band, in one line."""
    if before.estimate is None:
        return f"MaxSkew: {before.reason}"
    line = f"MaxSkew {number(before.estimate)} {interval_of(before)}"
    last = before
    if after is not None and after.estimate is not None:
        line, last = f"{line} → {number(after.estimate)} {interval_of(after)}", after
    return f"{line}; by chance alone {band_text(before)}: {reading(last)}."


def interval_of(e: Estimate) -> str:
    """The 95 % interval of a metric, in brackets."""
    return "" if e.lo is None or e.hi is None else f"({number(e.lo)} to {number(e.hi)})"


def band_text(value: Estimate) -> str:
    """Where the metric lies without any bias, for a table."""
    return "–" if value.null is None else f"{number(value.null.lo)} to {number(value.null.hi)}"


def switched_words(neurons: Sequence[int], strength: float, side: str, own_values: bool = False) -> str:
    """What is switched, for sentences: "image neurons 3 and 17 off".

    `own_values`: each neuron moves by a strength of its own towards a value of its own.
    """
    plural = "neuron" if len(neurons) == 1 else "neurons"
    how = "off" if strength == 1 else f"turned down by {percent(strength)}"
    if own_values:
        how = "moved towards their means" + ("" if strength == 1 else f", at {percent(strength)} of their strengths")
    return f"{side} {plural} {listing(neurons)} {how}"
