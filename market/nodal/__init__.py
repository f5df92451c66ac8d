"""Nodal prices: clearing an order book over a feeder whose wires have limits."""
