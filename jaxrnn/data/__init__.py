"""From what people have to the splits that networks read."""
