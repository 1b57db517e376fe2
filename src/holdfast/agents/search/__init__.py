"""Search: proposes edits by what earlier trials of the run have taught it; needs no model and no key."""
