"""What a home has beside load, PV and a battery."""
