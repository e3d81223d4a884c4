"""Start a stage script in several processes of this machine, one a GPU: torchrun, with one line where one of them dies.

What a batch system sends (SIGTERM, SIGUSR1) is forwarded to all of them, and they get the time to save their state.
When one dies the others are ended.
    python workflow_scripts/launch/shard.py 4 workflow_scripts/unlearn.py ARGUMENTS…
"""

import logging
import signal
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from torch.distributed import run
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from launch.start import write_cost

SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"
SAVING = "300"  # s that processes get to save their state before they are killed; torchrun's own is 30


def main(words: list[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGUSR1):  # which the shell around us ignores (rules/common.smk)
        signal.signal(number, signal.SIG_DFL)
    logging.disable(logging.ERROR)  # torchrun's: the processes print their own messages
    started = time.monotonic()
    options = ["--standalone", "--nproc-per-node", words[0]]
    options += ["--signals-to-handle", SIGNALS, "--shutdown-timeout", SAVING]
    try:
        run.run(run.parse_args([*options, *words[1:]]))
    except SignalException:  # the processes have printed where they stopped
        return 1
    except ChildFailedError as error:
        for rank, failure in error.failures.items():
            if failure.exitcode < 0:  # it could not say so itself
                name = signal.Signals(-failure.exitcode).name
                print(f"process {rank} of {words[0]} was ended by {name}; the others were stopped", file=sys.stderr)
        return 1
    write_cost(started)
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        raise SystemExit("usage: python workflow_scripts/launch/shard.py PROCESSES SCRIPT ARGUMENTS…")
    sys.exit(main(sys.argv[1:]))
