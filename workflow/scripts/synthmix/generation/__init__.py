"""Generators of images: diffusion trained here, and published pipelines."""
