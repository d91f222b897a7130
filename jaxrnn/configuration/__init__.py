"""What a configuration may hold, and the numbers that programs take from it."""
