"""The market for people who have an order book and no simulation."""
