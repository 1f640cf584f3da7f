"""Drift: how soon it is noticed at what price in false alarms, and what adapting is worth.

    python benchmarks/active/drift.py            20 minutes on one core; needs river too
    python benchmarks/active/drift.py --save     and keep benchmarks/results/active_drift.json

The stream is made like that of a market: every half hour, is the price above that of a day before?
It follows from demand, wind and temperature, with cycles of a day, a week and a year. Nights and
weekends are noisier, and what is not told persists for hours. None of this is drift; drift is that
the weights of demand, wind and temperature change, at once or over 4,000 rows. The first 3,000 of
24,000 rows fit a logistic regression, and a drift begins at row 12,000.

Detectors of river see the same losses, those of the first 3,000 rows included, from the same
cross-validation. Of ADWIN's alarms either all count, or in "ADWIN, worse" only those at which the
mean loss had grown. Each has a ladder of settings. Compared is the setting of the fewest false
alarms that are no fewer than those of DriftMonitor.
"""

import argparse
import time

import numpy as np
from common import keep
from scipy.signal import lfilter

N_FIRST, N, CHANGE, BATCH = 3000, 24_000, 12_000, 48
CASES = {"none": 0.0, "abrupt, small": 0.5, "abrupt": 1.0, "gradual": 1.0}
PROMISES = (1e3, 1e4, 1e5)
LADDERS = {
    "ADWIN, worse": [0.5, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4, 1e-5, 1e-6],
    "ADWIN": [0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e-12, 1e-15],
    "PageHinkley": [5, 7, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 160, 240],
}


def stream(seed: int, case: str) -> tuple[np.ndarray, np.ndarray]:
    """X, (N, 6), and y of a stream."""
    rng = np.random.default_rng(seed)
    t = np.arange(N)
    hour, weekend = 2 * np.pi * (t % 48) / 48, (t // 48) % 7 >= 5
    year = np.cos(2 * np.pi * t / 17_520 + 1)

    def persistent(share):
        return lfilter([1], [1, -share], rng.normal(size=N)) * np.sqrt(1 - share**2)

    demand = np.sin(hour - 1) + 0.5 * np.sin(2 * hour) - 0.6 * weekend + 0.5 * year
    demand += 0.5 * persistent(0.95)
    wind = persistent(0.98)
    temperature = year + 0.3 * np.sin(hour) + 0.4 * persistent(0.98)
    width = 4000 if case == "gradual" else 1
    is_new = rng.random(N) < np.clip((t - CHANGE + 1) / width, 0, 1)
    weights = np.array([1.5, -1.0, 0.5])
    weights = weights * (1 - CASES[case] * np.outer(is_new, [1, 1, 0]))
    noise = 0.75 + 0.25 * np.cos(hour) + 0.6 * weekend
    latent = (weights * np.stack([demand, wind, temperature], axis=1)).sum(axis=1)
    latent += 0.8 * np.cos(hour) + noise * (0.5 * persistent(0.7) + rng.logistic(size=N))
    X = [np.sin(hour), np.cos(hour), weekend, demand, wind, temperature]
    return np.stack(X, axis=1), (latent > 0).astype(int)


def monitored(X, y, **settings):
    """A monitor after the stream, and its predictions of the rows after the first."""
    from sklearn.linear_model import LogisticRegression

    from skdeep.active_learning import DriftMonitor

    model = settings.pop("model", LogisticRegression())
    monitor = DriftMonitor(model, **settings).fit(X[:N_FIRST], y[:N_FIRST])
    predicted = []
    for i in range(N_FIRST, N, BATCH):
        rows = slice(i, i + BATCH)
        predicted.append(monitor.predict(X[rows]))
        monitor.update(X[rows], y[rows])
    return monitor, np.concatenate(predicted)


def losses_of(X, y) -> np.ndarray:
    """Brier scores over 2, from 0 to 1: of the first rows in cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold, cross_val_predict

    first = slice(N_FIRST)
    model = LogisticRegression()
    p = cross_val_predict(model, X[first], y[first], cv=KFold(5), method="predict_proba")[:, 1]
    p = np.append(p, model.fit(X[first], y[first]).predict_proba(X[N_FIRST:])[:, 1])
    return (p - y) ** 2


def alarms_of(name: str, setting: float, losses: np.ndarray) -> list[int]:
    """Rows at which a detector of river's rings, in rows after the first."""
    from river.drift import ADWIN, PageHinkley

    adwin, found = name.startswith("ADWIN"), []
    detector = ADWIN(setting) if adwin else PageHinkley(threshold=setting, mode="up")
    for i, loss in enumerate(losses.tolist()):
        before = detector.estimation if name == "ADWIN, worse" else -np.inf
        detector.update(loss)
        if detector.drift_detected and i >= N_FIRST and (not adwin or detector.estimation > before):
            found.append(i - N_FIRST)
    return found


def summary(alarms: dict[str, list[list[int]]]) -> dict[str, float]:
    """False alarms in 10,000 rows, and median delays."""
    change = CHANGE - N_FIRST
    false = sum(map(len, alarms["none"]))
    found = {"false": 1e4 * false / (len(alarms["none"]) * (N - N_FIRST))}
    for case in list(CASES)[1:]:
        late = [[a - change for a in each if a >= change] for each in alarms[case]]
        delays = [min(each, default=np.inf) for each in late]
        found[case] = float(np.median(delays))
    return found


def detection(n_seeds: int) -> dict:
    """False alarms and delays of all detectors and settings."""
    streams = {case: [stream(seed, case) for seed in range(n_seeds)] for case in CASES}
    found: dict[str, dict] = {}
    for promise in PROMISES:
        alarms = {}
        for case in CASES:
            alarms[case] = []
            for X, y in streams[case]:
                monitor, _ = monitored(X, y, policy=None, false_alarm_every=promise)
                every = monitor.alarms_
                alarms[case].append(every[every["what"] == "loss"]["when"].tolist())
        found[f"DriftMonitor {promise:g}"] = summary(alarms)
    losses = {case: [losses_of(*each) for each in streams[case]] for case in CASES}
    for name, ladder in LADDERS.items():
        for setting in ladder:
            found[f"{name} {setting:g}"] = summary(
                {case: [alarms_of(name, setting, each) for each in losses[case]] for case in CASES}
            )
    return found


def show(found: dict) -> None:
    head = ["false in 10,000", *list(CASES)[1:]]
    print(f"{'':24}", *(f"{title:>16}" for title in head))
    for promise in PROMISES:
        own = found[f"DriftMonitor {promise:g}"]
        rows = {f"DriftMonitor {promise:g}": own}
        for name, ladder in LADDERS.items():
            rivals = [f"{name} {setting:g}" for setting in ladder]
            rivals = [r for r in rivals if found[r]["false"] >= own["false"]]
            if rivals:
                best = min(rivals, key=lambda r: found[r]["false"])
                rows[best] = found[best]
        for name, row in rows.items():
            print(f"{name:24}", f"{row['false']:16.2f}", *(f"{row[c]:16.0f}" for c in head[1:]))
        print()


def adapting(n_seeds: int) -> dict:
    """Accuracy after the drift, and of all rows without one, frozen and adapting."""
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression, SGDClassifier

    sgd = SGDClassifier(loss="log_loss", random_state=0)
    models = {
        "refit": {"policy": "refit", "model": LogisticRegression()},
        "partial_fit": {"policy": "partial_fit", "model": sgd},
    }
    found: dict = {}
    for policy, settings in models.items():
        for case in CASES:
            pairs, n_alarms = [], []
            for seed in range(n_seeds):
                X, y = stream(seed, case)
                start = time.perf_counter()
                monitor, new = monitored(X, y, **settings)
                seconds = time.perf_counter() - start
                old = clone(settings["model"]).fit(X[:N_FIRST], y[:N_FIRST]).predict(X[N_FIRST:])
                judged = slice(0 if case == "none" else CHANGE - N_FIRST, None)
                truth = y[N_FIRST:][judged]
                pairs.append([np.mean(p[judged] == truth) for p in (old, new)])
                n_alarms.append(len(monitor.alarms_))
            pairs = np.array(pairs)
            gain = pairs[:, 1] - pairs[:, 0]
            found[f"{policy}, {case}"] = {
                "frozen": pairs[:, 0].mean(),
                "adapting": pairs[:, 1].mean(),
                "gain": gain.mean(),
                "error": gain.std(ddof=1) / np.sqrt(n_seeds),
                "worst": gain.min(),
                "alarms": np.mean(n_alarms),
                "seconds": seconds,
            }
            print(
                f"{policy:12} {case:14} frozen {pairs[:, 0].mean():.3f}, adapting "
                f"{pairs[:, 1].mean():.3f}, gain {gain.mean():+.4f} (standard error "
                f"{gain.std(ddof=1) / np.sqrt(n_seeds):.4f}, least {gain.min():+.4f}); "
                f"{np.mean(n_alarms):.1f} alarms, {seconds:.1f} s a stream",
                flush=True,
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    detected = detection(arguments.seeds)
    show(detected)
    adapted = adapting(arguments.seeds)
    if arguments.save:
        keep("drift", detection=detected, adapting=adapted)


if __name__ == "__main__":
    main()
