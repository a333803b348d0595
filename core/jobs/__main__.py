"""`python -m core.jobs`: a worker of the job store, until it is asked to stop."""

import sys

from core.jobs.worker import main

if __name__ == "__main__":
    sys.exit(main())
