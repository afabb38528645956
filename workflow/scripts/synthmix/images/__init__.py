"""Images and labels: what a data set, a pool and a training set consist of, and how they reach a network."""
