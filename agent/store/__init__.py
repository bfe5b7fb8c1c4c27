"""Everything that is kept: tables, and the functions that change them, one module a noun."""
