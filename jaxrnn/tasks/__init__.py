"""Tasks: losses, metrics, and the meaning of outputs."""
