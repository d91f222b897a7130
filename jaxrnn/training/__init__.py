"""One training run, with no population in sight."""
