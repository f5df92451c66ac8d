"""The wires: power flow, inverters, curtailment and the linear model that prices them."""
