"""Compares tariffs, market rules and policies on the same days, and says who pays whom; plays through evaluation."""
