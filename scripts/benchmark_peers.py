"""A population side by side with what users would pick instead, on the machine at hand.

    python scripts/benchmark_peers.py          # every case and the whole job, less than an hour
    python scripts/benchmark_peers.py --quick  # a part of it, a few minutes
    python scripts/benchmark_peers.py --table  # measures nothing: pages and plot from the results

Needs `pip install -e ".[bench]"`; `benchmarks/peers/main.py` says what is measured.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
    from peers.main import main

    sys.exit(main())
