"""The desk: the web pages on which support engineers read, check and approve."""
