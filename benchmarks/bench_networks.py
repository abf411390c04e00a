"""An ensemble of ten networks on the LHCO sample: Serendip together and one by one, and PyTorch one by one.

Run `python -m benchmarks.bench_networks` with SERENDIP_DATA set and `serendip[bench]` and PyTorch installed. The tasks
are those of `bench_trees`; each network has three hidden layers of 64, sees four fifths of the events in batches of 256
for the stated epochs (Adam, no early stopping), and the best epoch is kept. PyTorch has one thread: with two it is
slower. The first call of each, which compiles or warms up, is given apart.
"""

import time

import numpy as np

from benchmarks.bench_trees import balance, cwola_task, idealised_task, max_sic
from serendip.score.networks import Network

MEMBERS, EPOCHS, BATCH, HIDDEN = 10, 10, 256, (64, 64, 64)


def network(members: int, seed: int) -> Network:
    return Network(members=members, hidden=HIDDEN, epochs=EPOCHS, batch=BATCH, patience=0, best=1, seed=seed)


def together(x, y, test) -> np.ndarray:
    return network(MEMBERS, 0).fit(x, y).score(test)


def in_a_row(x, y, test) -> np.ndarray:
    return np.mean([network(1, seed).fit(x, y).score(test) for seed in range(MEMBERS)], axis=0)


def with_torch(x, y, test) -> np.ndarray:
    return np.mean([torch_member(x, y, test, seed) for seed in range(MEMBERS)], axis=0)


def torch_member(x, y, test, seed: int) -> np.ndarray:
    """The plain loop that one writes: tensors in memory, a batch by its indices."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    centre, scale = x.mean(axis=0), x.std(axis=0)
    features, labels, w = (torch.tensor(a, dtype=torch.float32) for a in ((x - centre) / scale, y, balance(y)))
    widths = (x.shape[1], *HIDDEN)
    layers = [layer for i, o in zip(widths, HIDDEN) for layer in (torch.nn.Linear(i, o), torch.nn.ReLU())]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN[-1], 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    order = torch.randperm(len(x))
    held, trained = order[: len(x) // 5], order[len(x) // 5 :]

    def loss(rows):
        logit = model(features[rows])[:, 0]
        return torch.nn.functional.binary_cross_entropy_with_logits(logit, labels[rows], w[rows])

    best = np.inf
    for _ in range(EPOCHS):
        for rows in trained[torch.randperm(len(trained))].split(BATCH):
            optimiser.zero_grad()
            loss(rows).backward()
            optimiser.step()
        with torch.no_grad():
            if (value := float(loss(held))) < best:
                best, state = value, {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    with torch.no_grad():
        return model(torch.tensor((test - centre) / scale, dtype=torch.float32))[:, 0].numpy().astype(float)


WAYS = {"together": together, "one by one": in_a_row, "PyTorch, one by one": with_torch}


def compare(task, draws: int = 3) -> dict[str, tuple[float, float, float]]:
    """Seconds of the first call, seconds (best of the other draws), and mean max SIC of each way, taken in turns."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    sics: dict[str, list[float]] = {way: [] for way in WAYS}
    for draw in range(draws):
        x, y, test, truth = task(draw)
        for way, fit in WAYS.items():
            start = time.perf_counter()
            score = fit(x, y, test)
            seconds[way].append(time.perf_counter() - start)
            sics[way].append(max_sic(score, truth))
    return {way: (seconds[way][0], min(seconds[way][1:]), float(np.mean(sics[way]))) for way in WAYS}


def main() -> None:
    for name, task in {"idealised": idealised_task, "cwola": cwola_task}.items():
        x, _, test, _ = task(0)
        print(f"{name}: {len(x)} events to fit, {len(test)} to score, {MEMBERS} members, {EPOCHS} epochs")
        result = compare(task)
        ours = result["together"][1]
        for way, (first, then, sic) in result.items():
            print(f"  {way:20s} first {first:6.2f} s, then {then:6.2f} s  {then / ours:5.2f} x  max SIC {sic:.2f}")


if __name__ == "__main__":
    main()
