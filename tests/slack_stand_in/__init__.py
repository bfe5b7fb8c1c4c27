"""A stand-in for Slack, written from its published protocol: Web API, Socket Mode and Events API on loopback.

Strict on purpose: unknown arguments, missing scopes, blocks beyond their limits and calls that come too fast are
refused with the errors that Slack documents, so that what passes here passes there.
"""

from slack_stand_in.server import SlackStandIn

__all__ = ["SlackStandIn"]
