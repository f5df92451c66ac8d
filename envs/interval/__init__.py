"""The parts of an interval, in the order in which the core calls them."""
