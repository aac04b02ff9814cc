"""What a sample starts from: its prompt, its image and mask, its latents."""
