"""A problem on disk: load it, check it, start a new one, prepare its data, and keep its trees in git."""
