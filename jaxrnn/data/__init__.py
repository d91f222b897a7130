"""Data: files and arrays become the splits that networks read."""
