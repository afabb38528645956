"""Networks of classifiers: how they are built, initialised, trained, fed and looked into."""
