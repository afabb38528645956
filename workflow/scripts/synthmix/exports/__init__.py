"""Results on their way out: folders in the layout of the Hugging Face hub, with cards and terms."""
