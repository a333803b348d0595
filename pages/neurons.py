"""Neurons: which of them carry an attribute, and what each answers to."""

from core.ui.neurons.page import neurons
from core.ui.parts import frame

frame.through_app()
neurons()
