"""Who goes on, who ends, who is new: each scheduler a pure function of a table of scores."""
