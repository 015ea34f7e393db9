"""What a network is worth: data sets, augmentation, training and evaluation; knows nothing of trials."""
