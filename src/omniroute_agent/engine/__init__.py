"""Routing: candidates → plan → attempt → settle."""
