"""What users would pick instead, side by side with a population: see `benchmark_peers.py`."""
