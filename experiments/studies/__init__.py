"""Studies: places rebuilt from published figures, and claims of articles put to the test; each one command."""
