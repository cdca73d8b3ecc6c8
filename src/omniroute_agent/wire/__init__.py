"""Dialects: how a provider speaks. Pure translations, JSON in and JSON out, no I/O."""
