"""The page Benchmark: every method side by side, and the papers' studies."""
