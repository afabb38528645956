"""Features of images, and what is computed from two sets of them."""
