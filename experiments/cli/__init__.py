"""The command line: reads options, calls one function, shows what came of it; nobody imports it."""
