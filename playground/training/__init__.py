"""Training one run: rows that are already tokens go in, an adapter, events and evidence for a verdict come out.

Imports torch, transformers, TRL and PEFT: only the train process does this.
"""

from playground.runs.verdict import Evidence, judge
from playground.training.callback import Probes, RunCallback
from playground.training.rows import Rows
from playground.training.run import Outcome, Run, is_out_of_memory, read_probes
from playground.training.trainer import RunTrainer, build_trainer

__all__ = [
    "Evidence",
    "Outcome",
    "Probes",
    "Rows",
    "Run",
    "RunTrainer",
    "RunCallback",
    "build_trainer",
    "is_out_of_memory",
    "judge",
    "read_probes",
]
