"""Samplers propose which configurations to try next, a whole batch at a time."""
