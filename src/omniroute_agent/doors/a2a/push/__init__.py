"""Telling a hook how a task stands, however often it takes."""
