"""Settings that stand beside foreign weights: understood, known to change nothing, refused by name, or said.

What projects write beside their weights comes in many spellings. A setting that changes the codes and cannot be put
into the weights is refused with what could be done; one that nobody here knows is named when the SAE is imported.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.config import InputError
from core.store import read_json

NONE = frozenset({"", "none", "null", "no", "false", "identity", "off"})
"""Spellings of "nothing", beside null and false."""

EACH_ROW = "it treats each row by itself, which no weights can hold: treat the embeddings so before they are encoded"
NORMALISING = {
    "layer_norm": EACH_ROW,
    "layernorm": EACH_ROW,
    "constant_norm_rescale": EACH_ROW,
    "l2": EACH_ROW,
    "expected_average_only_in": "its author can fold the scale into the weights (fold_activation_norm_scaling_factor)",
}
"""Normalisations of the input by their names, and what can be done about each."""
CHANGES_INPUT = (
    *("normalize_activations", "normalise_activations", "normalize_input", "normalize_inputs", "input_normalization"),
    *("normalization", "norm_type", "layer_norm", "use_layer_norm", "whiten", "whitening", "standardize", "pca"),
)
"""Keys that say that an SAE reads something else than the embeddings themselves."""
CHANGES_SHAPE = ("reshape_activations",)
NOT_OURS = ("is_transcoder", "use_error_term", "skip_connection", "use_skip_connection", "crosscoder", "gated")
"""Keys that say that it is no plain SAE."""
ACTIVATIONS = {"relu": "relu", "topk": "topk", "top_k": "topk", "topk_relu": "topk"}
HARMLESS = frozenset(
    {
        *(
            "d_in",
            "d_sae",
            "dtype",
            "device",
            "architecture",
            "metadata",
            "model_name",
            "model_class_name",
            "hook_name",
        ),
        *(
            "hook_layer",
            "hook_point",
            "hook_point_layer",
            "hook_head_index",
            "prepend_bos",
            "context_size",
            "dataset_path",
        ),
        *(
            "dataset_trust_remote_code",
            "sae_lens_training_version",
            "sae_lens_version",
            "seqpos_slice",
            "neuronpedia_id",
        ),
        *("model_from_pretrained_kwargs", "activation_fn_str", "activation_fn", "activation_fn_kwargs", "k", "seed"),
        *("apply_b_dec_to_input", "rescale_acts_by_decoder_norm", "finetuning_scaling_factor", "expansion_factor"),
        *(
            "normalize_sae_decoder",
            "decoder_bias_init_method",
            "b_dec_init_method",
            "l1_coefficient",
            "lr",
            "adam_beta1",
        ),
        *(
            "adam_beta2",
            "lr_scheduler_name",
            "train_batch_size",
            "train_batch_size_tokens",
            "training_tokens",
            "verbose",
        ),
        *(
            "log_to_wandb",
            "wandb_project",
            "use_ghost_grads",
            "lp_norm",
            "n_checkpoints",
            "checkpoint_path",
            "run_name",
        ),
        *("hook_head", "image_size", "num_workers", "num_epochs", "total_training_images", "total_training_tokens"),
        *(
            "cls_token_only",
            "layer_subtype",
            "feature_sampling_window",
            "dead_feature_threshold",
            "dead_feature_window",
        ),
        *("jumprelu_init_threshold", "jumprelu_bandwidth", "is_training", "name", "trainer", "buffer", "schema"),
        *("hook_point_head_index", "dataset_name", "d_head", "n_batches_in_buffer", "store_batch_size", "layer"),
    }
)
"""Keys that say how an SAE was trained or what it was trained on, or that the formats read."""


def is_none(value: Any) -> bool:
    """Whether a setting says "nothing", in any of its spellings."""
    return value is None or value is False or (isinstance(value, str) and value.strip().lower() in NONE)


def require_plain_input(said: Mapping[str, Any], where: str) -> None:
    """InputError naming the first setting by which an SAE does not read, or not write, the embeddings themselves.

    Parameters
    ----------
    where : the file that says so.
    """
    for name in CHANGES_INPUT:
        if not is_none(said.get(name)):
            advice = NORMALISING.get(str(said[name]).lower(), "only none can be read: take an SAE of raw embeddings")
            raise InputError(f"{where} has {name} {said[name]!r}; {advice}")
    for name in CHANGES_SHAPE:
        if not is_none(said.get(name)):
            raise InputError(f"{where} has {name} {said[name]!r}; only none can be read: its rows are no embeddings")
    for name in NOT_OURS:
        if not is_none(said.get(name)):
            raise InputError(f"{where} has {name} {said[name]!r}; it is no plain SAE, which writes what it reads")


def activation(said: Mapping[str, Any], where: str, otherwise: str = "relu") -> str:
    """The activation, "relu" or "topk"; InputError naming the setting for any other."""
    value = said.get("activation_fn_str", said.get("activation_fn"))
    if is_none(value):
        return otherwise
    found = ACTIVATIONS.get(str(value).strip().lower().replace("-", "_"))
    if found is None:
        raise InputError(f"{where} has the activation {value!r}; known: {', '.join(sorted(set(ACTIVATIONS.values())))}")
    return found


def unread(said: Mapping[str, Any]) -> list[str]:
    """Keys with a value that nobody here knows: whether they change the codes is for the person to find out."""
    known = {*HARMLESS, *CHANGES_INPUT, *CHANGES_SHAPE, *NOT_OURS}
    return sorted(str(name) for name, value in said.items() if name not in known and not is_none(value))


def require_no_scaler(folder: Path) -> None:
    """InputError where SAELens has written a scale of the input beside a checkpoint that is not yet folded in."""
    path = folder / "activation_scaler.json"
    if path.is_file():
        said = read_json(path)
        scale = said.get("scaling_factor") if isinstance(said, dict) else said
        if scale not in (None, 1, 1.0):
            raise InputError(f"{path} scales the input by {scale}, which is not in the weights; take the finished SAE")
