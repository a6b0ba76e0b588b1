"""The recommender's pure part: a person's events folded into a state, and decisions made from it.

Nothing here does I/O, reads a clock or draws from a global generator. The arithmetic on the path of a
decision is + − × ÷ √ in a fixed order (see adr/0005-arithmetic-and-replay.md).
"""
