"""Benchmark: methods x metrics on the chosen gallery, and the papers' studies."""

from core.ui import frame
from core.ui.benchmark_view import benchmark

frame.through_app()
benchmark()
