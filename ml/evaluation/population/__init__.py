"""Simulated people whose truth is not in the learner's class, and what policies are worth to them."""
