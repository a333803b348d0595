"""What all pages draw with: the frame, figures, grids, words, and where numbers come from."""
