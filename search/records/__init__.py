"""The run folder, checkpoints and Optuna's study: what a search keeps on disk."""
