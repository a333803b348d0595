"""`python -m core.projection FOLDER` computes the map of FOLDER/input.npy."""

import sys
from pathlib import Path

from core.projection.process import compute

if __name__ == "__main__":
    compute(Path(sys.argv[1]))
