"""What neurons answer to: codes of galleries, social neurons, firing statistics per group, evidence, neighbours."""

from core.neurons.encoding import codes_of, encode_gallery, encode_rows
from core.neurons.evidence import Evidence, Histogram, Shown, active_neurons, evidence, histogram
from core.neurons.firing import benjamini_hochberg, firing_statistics
from core.neurons.neighbours import coactive_neurons, nearest_neurons, neurons_towards
from core.neurons.prediction import PredictionTest, prediction_score, prediction_test
from core.neurons.social import GroupNeurons, SocialNeurons, shared_neurons, social_neurons

__all__ = [
    "Evidence",
    "GroupNeurons",
    "Histogram",
    "PredictionTest",
    "Shown",
    "SocialNeurons",
    "active_neurons",
    "benjamini_hochberg",
    "coactive_neurons",
    "codes_of",
    "encode_gallery",
    "encode_rows",
    "evidence",
    "firing_statistics",
    "histogram",
    "nearest_neurons",
    "neurons_towards",
    "prediction_score",
    "prediction_test",
    "shared_neurons",
    "social_neurons",
]
