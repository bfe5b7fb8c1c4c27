"""Bridges to the desks of partners: Request Tracker, Zammad, and mail where there is neither."""
