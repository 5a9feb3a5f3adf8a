"""Loci: one bench for every place where a language model can keep a user's memory."""

__version__ = "0.1.0"
