"""Nouns, rules and ports: pure code without files, clocks, processes, network or threads."""
