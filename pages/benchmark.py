"""Benchmark: methods x metrics on the chosen gallery, and the papers' studies."""

from core.ui.benchmark.page import benchmark
from core.ui.parts import frame

frame.through_app()
benchmark()
