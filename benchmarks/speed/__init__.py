"""Real data at full speed: our trainer beside PyTorch, see benchmarks/real_speed.py."""
