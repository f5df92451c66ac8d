"""Cars: who comes to a charger and when, what must be charged, and chargers that share one limit."""
