"""A stand-in for Modal's control plane: enough of it, on loopback, for real deployments and real calls."""
