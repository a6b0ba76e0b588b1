"""Learners for one person: act or wait with fatigue that is planned over, and which of several arms to play.

Everything that a decision depends on is + − × ÷ √ in a fixed order, and random bits come from counters.
"""
