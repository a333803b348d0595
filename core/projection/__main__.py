"""`python -m core.projection FOLDER` computes the map of FOLDER/input.npy, in its turn and within limits."""

import os
import sys
from functools import partial
from pathlib import Path

from core import heavy
from core.projection.process import compute

if __name__ == "__main__":
    with heavy.turn():
        sys.exit(heavy.supervised(partial(compute, Path(sys.argv[1]), os.getpid())))
