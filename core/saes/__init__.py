"""Sparse autoencoders: one file per architecture, their checkpoints, and what their quality numbers mean."""
