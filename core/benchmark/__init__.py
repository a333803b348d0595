"""Benchmarks: methods against metrics on one gallery, by a protocol, one file a protocol."""

from core.benchmark.arms import Arm, arm_names, find_arm
from core.benchmark.base import PROTOCOLS, Cell, Column, Protocol
from core.benchmark.results import BenchmarkResult
from core.benchmark.run import run_benchmark
from core.benchmark.world import World

__all__ = [
    "PROTOCOLS",
    "Arm",
    "BenchmarkResult",
    "Cell",
    "Column",
    "Protocol",
    "World",
    "arm_names",
    "find_arm",
    "run_benchmark",
]
