"""Tables, models and cross-validated figures: what corpus, train and evaluate do."""
