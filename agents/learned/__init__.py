"""Learned policies: those of the gradient and their network, and models of other libraries; trains nothing."""
