"""Data sets, one room each."""
