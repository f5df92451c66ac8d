"""Documentation that the code writes."""
