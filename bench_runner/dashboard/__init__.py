"""The page of results: filters, linked pictures, downloads; served, or as one file that needs no server."""
