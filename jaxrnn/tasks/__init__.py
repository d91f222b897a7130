"""What there is to learn: losses, read-outs and metrics."""
