"""What may be compared with what, how sure a figure is, and questions asked of many rows."""
