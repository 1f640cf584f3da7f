"""PyTorch in a plain loop, and skorch, its scikit-learn wrapper."""

import torch
from torch import nn
from worker import serve, threads

torch.set_num_threads(threads())
torch.set_flush_denormal(True)


class MLP(nn.Module):
    def __init__(self, n_features, n_classes, sizes=(100,), dropout=0.0):
        super().__init__()
        layers = []
        for size in sizes:
            layers += [nn.Linear(n_features, size), nn.ReLU()]
            layers += [nn.Dropout(dropout)] if dropout else []
            n_features = size
        self.layers = nn.Sequential(*layers, nn.Linear(n_features, n_classes))

    def forward(self, X):
        return self.layers(X)


def skorch_model(data, epochs, batch_size):
    from skorch import NeuralNetClassifier

    return NeuralNetClassifier(
        MLP,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        module__n_features=data["X"].shape[1],
        module__n_classes=int(data["y"].max()) + 1,
        max_epochs=epochs,
        batch_size=batch_size,
        lr=1e-2,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def skorch_fit(data, epochs, batch_size):
    model = skorch_model(data, epochs, batch_size)

    def run():
        model.fit(data["X"], data["y"])

    return run


def search(data, candidates, epochs, batch_size):
    from sklearn.model_selection import GridSearchCV

    model = skorch_model(data, epochs, batch_size)
    model = GridSearchCV(model, [_skorch_names(c) for c in candidates], cv=5, refit=False)

    def run():
        model.fit(data["X"], data["y"])
        return {"best_score": model.best_score_}

    return run


def _skorch_names(candidate):
    names = {
        "learning_rate": "lr",
        "dropout": "module__dropout",
        "weight_decay": "optimizer__weight_decay",
        "sizes": "module__sizes",
    }
    return {names[name]: [value] for name, value in candidate.items()}


def architectures(data, candidates, epochs, batch_size):
    return search(data, [{"sizes": sizes} for sizes in candidates], epochs, batch_size)


def lenet(data, epochs, batch_size):
    network = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
    )
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    loss = nn.CrossEntropyLoss()
    X = torch.tensor(data["X"].reshape(-1, 1, 28, 28)).float() / 255
    y = torch.tensor(data["y"])

    def run():
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(batch_size):
                optimizer.zero_grad()
                loss(network(X[rows]), y[rows]).backward()
                optimizer.step()

    return run


def lstm(data, epochs, batch_size, units):
    X, lengths = torch.tensor(data["X"]), torch.tensor(data["lengths"])
    y = torch.tensor(data["y"]).float()
    recurrent, head = nn.LSTM(X.shape[2], units, batch_first=True), nn.Linear(units, 1)
    weights = [*recurrent.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(weights, 1e-2)
    loss = nn.BCEWithLogitsLoss()
    unequal = bool(lengths.min() < X.shape[1])

    def logits(rows):
        if not unequal:
            return head(recurrent(X[rows])[0][:, -1])[:, 0]
        packed = nn.utils.rnn.pack_padded_sequence(
            X[rows], lengths[rows], batch_first=True, enforce_sorted=False
        )
        return head(recurrent(packed)[1][0][0])[:, 0]

    def run():
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(batch_size):
                optimizer.zero_grad()
                loss(logits(rows), y[rows]).backward()
                nn.utils.clip_grad_norm_(weights, 1.0)
                optimizer.step()

    return run


if __name__ == "__main__":
    tasks = [skorch_fit, search, architectures, lenet, lstm]
    serve({t.__name__: t for t in tasks}, ["torch", "skorch", "scikit-learn"])
