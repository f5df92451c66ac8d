"""Plans storage by linear programming, from what a policy is given of the time ahead; knows no policy."""
