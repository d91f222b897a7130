"""Spaces: what every hyperparameter of a configuration may be, and when it is active."""
