"""Training and evaluation of a network: data sets, augmentation, recipes; knows nothing of trials."""
