"""One thread for linear algebra: the matrices are small, and threads that wait burn the other core."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
