"""Writes what the code knows of itself into docs/; nobody imports it but the command that asks for that."""
