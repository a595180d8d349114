"""The methods once more, as plainly as the papers tell them, to compare the engine with bit for bit.

Random words and prepared batches come from the engine, nothing else does.
Sources: arXiv 1911.13299, arXiv 2106.09269.
"""

import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from iterand_engine.data.dataset import Split
from iterand_engine.rng import RandomKey, Stream, bernoulli, normal, signs, uniform


def draw(init: str, shape: Any, seed: int, name: str, event: int) -> Any:
    key, variance = RandomKey(seed, Stream.WEIGHTS, name, event), 2 / math.prod(shape[1:])
    if init == "kaiming-uniform":
        return uniform(key, math.sqrt(3 * variance), shape, "cpu")
    if init == "kaiming-normal":
        return normal(key, math.sqrt(variance), shape, "cpu")
    return signs(key, shape, "cpu") * torch.tensor(math.sqrt(variance), dtype=torch.float32)


def keep(scores: Any, method: Any) -> Any:
    ranked = np.abs(scores.numpy()) if method.ranking == "magnitude" else scores.numpy()
    threshold = np.sort(ranked, axis=None)[round(method.sparsity * (ranked.size - 1))]
    return torch.from_numpy(~(ranked < threshold))


def train(module: Any, dataset: Any, config: Any) -> tuple[list[float], dict[str, Any], dict[str, Any]]:
    """Train; the losses of the steps, and the weights and scores by name."""
    training, method, seed = config.training, config.method, config.training.seed
    losses: list[float] = []
    plain = dict(module.named_parameters())
    weights = {n: draw(method.weight_init, p.shape, seed, n, 0) for n, p in plain.items() if p.dim() > 1}
    for name, parameter in plain.items():  # norms begin as the identity, biases at 0
        parameter.data = weights.get(name, torch.full_like(parameter, float(name.endswith("weight"))))
    scored = method.name != "dense"
    bound = {n: math.sqrt(6 / math.prod(w.shape[1:])) for n, w in weights.items()}
    key = {n: RandomKey(seed, Stream.SCORES, n) for n in weights}
    scores = {n: uniform(key[n], bound[n], w.shape, "cpu") for n, w in weights.items()} if scored else {}
    trained = scores if scored else {n: p.data for n, p in plain.items()}
    velocity = {n: torch.zeros_like(value) for n, value in trained.items()}
    for epoch in range(training.epochs):
        lr = training.lr * (1 + math.cos(math.pi * epoch / training.epochs)) / 2
        for batch in dataset.batches(Split.TRAIN, training.batch_size, seed=seed, epoch=epoch):
            event = (len(losses) + 1) / method.randomize_every if method.name == "iterand" else 0.5
            for name, score in scores.items():
                mask, weight = keep(score, method), weights[name]
                if event == int(event):
                    chance = RandomKey(seed, Stream.REDRAW, name, int(event))
                    redrawn = bernoulli(chance, method.randomize_rate, mask.shape, "cpu") & ~mask
                    weight[redrawn] = draw(method.weight_init, mask.shape, seed, name, int(event))[redrawn]
                plain[name].data = mask * weight
            module.zero_grad()
            loss = functional.cross_entropy(module(dataset.prepare(batch, len(losses))), batch.labels)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.item())
            for name, value in trained.items():
                gradient = plain[name].grad * (weights[name] if scored else 1)
                if scored and method.ranking == "magnitude":
                    gradient *= value.sign()
                velocity[name].mul_(training.momentum).add_(gradient.add(value, alpha=training.weight_decay))
                value.add_(velocity[name], alpha=-lr)
    return losses, weights, scores
