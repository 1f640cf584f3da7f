"""The user's own Keras models as estimators."""
