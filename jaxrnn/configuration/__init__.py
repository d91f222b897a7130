"""Hyperparameters: which exist, what values they may have, and how compiled programs take them."""
