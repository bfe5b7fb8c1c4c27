"""The helpdesk itself: pipeline, tickets, drafts, approval, outbox, desk and command line."""
