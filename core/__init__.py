"""Unskew's core: everything that computes, and nothing that draws a page outside `core.ui`."""
