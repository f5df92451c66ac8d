"""A price for each bus: an order book cleared over a feeder whose wires have limits; knows no agent, no bill."""
