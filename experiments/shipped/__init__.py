"""What ships trained, in every scenario beside rules, MPC and the optimum: one table. It must not know the terminal."""
