"""Keeping the parts up: service units and start checks."""
