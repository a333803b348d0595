"""PaliGemma: SigLIP's last hidden state, after its final norm."""

from core.lvlm.family import LVLMS, LastStateFamily


@LVLMS.register("paligemma")
class PaliGemma(LastStateFamily):
    """Picture and question see each other, so that questions share no causal prefix."""

    model_types = ("paligemma",)
    title = "PaliGemma"
    reads = "`last_hidden_state`, after the final norm"
