"""IPPO and MAPPO by BenchMARL and TorchRL: a network for each kind; knows no other way to learn."""
