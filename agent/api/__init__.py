"""The REST interface for other programs, under `/api/v1`, and the webhooks that tell them what happens."""
