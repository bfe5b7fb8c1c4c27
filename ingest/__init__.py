"""Requests as they come in: raw mail and other channels turned into `InboundMessage`."""
