"""Who proposes: built-in search, and later language models, external programs, people and replay."""
