"""Batches over everybody, each a command."""
