"""The market for people who have an order book, in their own units and order; knows no simulation."""
