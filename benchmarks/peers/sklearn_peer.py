"""scikit-learn's MLPClassifier."""

import warnings

from worker import serve


def fit(data, epochs, batch_size):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)
    model = MLPClassifier(
        (100,),
        batch_size=batch_size,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        learning_rate_init=1e-2,
        random_state=0,
    )

    def run():
        model.fit(data["X"], data["y"])

    return run


if __name__ == "__main__":
    serve({"fit": fit}, ["scikit-learn"])
