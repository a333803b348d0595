"""Neurons: which of them carry an attribute, and what each answers to."""

from core.ui.neuron_view import neurons

neurons()
