"""Holdfast: a closed-loop AI R&D lab that proves every change before it keeps it."""

__version__ = "0.1.0"
