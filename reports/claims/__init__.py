"""What people say of diffusion models, tested."""
