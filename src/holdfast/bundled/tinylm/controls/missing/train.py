"""Train nothing and leave nothing."""
