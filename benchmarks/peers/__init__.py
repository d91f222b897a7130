"""A population side by side with what users would pick instead: see `benchmark_peers.py`."""
