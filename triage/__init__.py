"""Placing a request (level, type, urgency, route) and diagnosing what it pastes."""
