"""A model of the training step of several processes, and its tables for clusters of GPUs.

Exchange. A bucket of S bytes is added over N processes in two phases, each to everybody: its parts to those who add them, and the
sums to all. Every process sends (N - 1) / N S in each phase, and waits for one message's latency:

    exchange(S) = 2 a + 2 (N - 1) / N S / b      a: latency [s], b: bytes a second of a process's line, in each direction

(the alpha-beta model; Thakur, Rabenseifner, Gropp: "Optimization of Collective Communication Operations in MPICH", 2005). Messages
to other processes follow each other at a distance of `gap` seconds at least: 2 (N - 1) gap more.

Overlap. Bucket i is final at r_i, while backward computes, and the line carries one bucket at a time:

    end_i = max(r_i, end_{i-1}) + exchange(S_i)          the step is longer by end_last - r_last

usage: model.py    prints the tables of docs/scaling.md
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """What a process has to all others."""
    latency: float    # seconds
    bandwidth: float  # bytes a second, each direction
    gap: float = 0.0  # seconds between messages

    def exchange(self, size, processes):
        """Seconds of the sum of a bucket of so many bytes."""
        others = processes - 1
        return 2 * (self.latency + others * self.gap + others / processes * size / self.bandwidth) if others else 0.0


def exposed(ready, costs):
    """Seconds by which the last exchange ends after the last bucket is final."""
    end = 0.0
    for at, cost in zip(ready, costs):
        end = max(at, end) + cost
    return end - ready[-1]


# A row of the recipe: its blocks; what it trains: blocks, parameters, and those of its token table, whose gradient is final last;
# and the milliseconds of a step of one H100 with 8 texts of 256 tokens in bfloat16 (bench/results/nvidia-h100.md).
@dataclass(frozen=True)
class Row:
    name: str
    blocks: int
    trained_blocks: int
    parameters: int
    table: int
    step_ms: float

    def backward_share(self):
        """Of the time of forward and backward: a block's backward takes twice its forward."""
        return 2 * self.trained_blocks / (self.blocks + 2 * self.trained_blocks)


ROWS = [Row("GPT-2 124M", 12, 12, 124_441_346, 50_257 * 768, 4.32),
        Row("BERT", 12, 12, 109_483_778, 30_522 * 768, 4.75),
        Row("DistilBERT", 6, 6, 66_955_010, 30_522 * 768, 2.35),
        Row("RoBERTa-large, last block", 24, 1, 13_647_874, 0, 3.69),
        Row("ModernBERT-base", 22, 22, 149_606_402, 50_368 * 768, 6.52),
        Row("ModernBERT-large", 28, 28, 395_833_346, 50_368 * 1024, 14.41)]

MEASURED_TEXTS = 8
BUCKET_BYTES = 2 << 22  # engine/train/device_gradient_sums.h, in bfloat16
UPDATE_BYTES = 28  # of AdamW for a parameter
DEVICE_BANDWIDTH = 2.9e12  # bytes a second that it reached there

# Eight GPUs of a node over NVLink, nodes over a network of 400 Gbit/s for each GPU; four fifths of the lines' rates. Latency and gap
# are assumptions: nothing here was measured on several GPUs.
NODE = 8
NVLINK = Line(latency=5e-6, bandwidth=0.8 * 450e9, gap=1e-6)
NETWORK = Line(latency=15e-6, bandwidth=0.8 * 50e9, gap=1e-6)


def step(row, texts, processes):
    """Seconds of a step of one process alone and of several, each with so many texts of 256 tokens."""
    update = row.parameters * UPDATE_BYTES / DEVICE_BANDWIDTH
    compute = (row.step_ms / 1000 - update) * texts / MEASURED_TEXTS
    line = NVLINK if processes <= NODE else NETWORK
    ready, costs = [], []
    blocks_bytes, table_bytes = 2 * (row.parameters - row.table), 4 * row.table  # bfloat16, float32
    count = max(round(blocks_bytes / BUCKET_BYTES), 1)
    for bucket in range(count):
        ready.append(compute * (1 - row.backward_share() * (1 - (bucket + 1) / count)))
        costs.append(line.exchange(blocks_bytes / count, processes))
    if table_bytes:
        ready.append(compute)
        costs.append(line.exchange(table_bytes, processes))
    return compute + update, compute + update + exposed(ready, costs)


def efficiency(row, texts, processes):
    alone, together = step(row, texts, processes)
    return alone / together


def smallest_batch(row, processes, wanted=0.95):
    """Texts of each process, a power of two up to 4,096, with which a step is at most 1 / wanted times as long as alone."""
    return next((texts for texts in (2**k for k in range(13)) if efficiency(row, texts, processes) >= wanted), None)


def main():
    worlds = (8, 64, 256, 1024)
    print("| model | texts of a GPU | " + " | ".join(f"{n} GPUs" for n in worlds) + " |")
    print("|---|--:|" + "--:|" * len(worlds))
    for row in ROWS:
        for texts in (8, 32, 128):
            print(f"| {row.name} | {texts} | " + " | ".join(f"{100 * efficiency(row, texts, n):.0f} %" for n in worlds) + " |")
    print("\n| model | " + " | ".join(f"{n} GPUs" for n in worlds) + " |")
    print("|---|" + "--:|" * len(worlds))
    for row in ROWS:
        print(f"| {row.name} | " + " | ".join(str(smallest_batch(row, n) or "more than 4096") for n in worlds) + " |")


if __name__ == "__main__":
    main()
