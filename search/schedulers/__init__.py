"""Schedulers decide which trials begin, go on and end, each as a function of a table of scores."""
