"""DeBiasLens's protocol (arXiv 2602.24014): MaxSkew@1000 against even shares, in the words of Berg et al."""

from typing import ClassVar

from core.benchmark.arms import ReadyArm
from core.benchmark.base import PROTOCOLS, Cell, Column, Protocol
from core.benchmark.measures import drift, metric_by_prompt, other_accuracies, possible, rankings, world_attributes
from core.benchmark.removal import removal, with_removal
from core.benchmark.world import World
from core.config import Progress
from core.statistics import Estimate, mean_of


@PROTOCOLS.register("debiaslens")
class DebiaslensProtocol(Protocol):
    """Skews of the top k in the gallery as it is, against even shares, mean over prompts, times 100."""

    title = "DeBiasLens"
    words = (
        "The top k of every query (as published 1,000, and 500 for stereotype queries) in the gallery as it is, "
        "against even shares by the rules of Berg et al. 2022. Means over queries with Student's interval, times 100 "
        "as printed; accuracy is that of the other attributes, zero-shot."
    )
    columns: ClassVar = with_removal(
        Column("max_skew", "MaxSkew x 100", "lower", "mean MaxSkew@k against even shares, times 100", 1),
        Column("min_skew", "MinSkew x 100", "higher", "mean MinSkew@k against even shares, times 100", 1),
        Column("ndkl", "NDKL x 100", "lower", "mean normalised discounted KL divergence, times 100", 1),
        Column("accuracy", "Accuracy", "higher", "mean zero-shot accuracy of the attributes not being edited"),
        Column("cosine", "Cosine, pictures", "higher", "mean cosine of pictures before and after"),
    )
    skew = "max_skew"
    cost = "cosine"
    defaults: ClassVar = {"k": 1000, "target": "uniform"}

    def measure(self, world: World, arm: ReadyArm, progress: Progress | None = None) -> Cell:
        report = progress or (lambda *_: None)
        names = ("max_skew", "min_skew", "ndkl")
        report(0, 3, "queries")
        tops = rankings(arm, world.prompts)
        skews = {name: metric_by_prompt(arm, tops, name, "berg") for name in names}
        report(1, 3, "accuracy")
        kept, _ = other_accuracies(arm, world.class_prompts, world_attributes(world))
        report(2, 3, "drift")
        lost = None if tops.reason is None else Estimate.missing(tops.reason)
        values = {}
        for name in names:
            least, most = possible(name, arm.part().target)
            within = (100 * least, 100 * most)
            values[name] = lost or mean_of([100 * value for value in skews[name].values()], within)
        values |= {"accuracy": kept, "cosine": drift(arm, tops)[0], **removal(arm, tops)}
        report(3, 3, "done")
        by_prompt = {text: 100 * value for text, value in skews["max_skew"].items()}
        return Cell(arm.arm.name, world.gallery.name, values, notes=(*arm.notes, *tops.notes), by_prompt=by_prompt)
