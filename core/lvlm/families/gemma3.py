"""Gemma 3: SigLIP's last hidden state, after its final norm."""

from core.lvlm.family import LVLMS, LastStateFamily


@LVLMS.register("gemma3")
class Gemma3(LastStateFamily):
    """Tokens of a picture see each other in the language model, so that questions share no causal prefix."""

    model_types = ("gemma3",)
    title = "Gemma 3"
    reads = "`last_hidden_state`, after the final norm; then pooled and projected"
