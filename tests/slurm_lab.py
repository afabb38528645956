"""A SLURM of one node on the loopback interface: real daemons, started and ended by a test session, without systemd.

Its GPUs are pretended (two devices that every Linux has), so that requests for GPUs are real: jobs get
CUDA_VISIBLE_DEVICES, and more than two such jobs wait in the queue.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

ETC = Path("/etc/slurm")  # compiled into Debian's daemons: the steps of a job look nowhere else
PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
PATIENCE = 60  # seconds until what should have happened counts as failed

CONF = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={root}/munge.socket
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
# no systemd and no cgroups
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=300
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,requeue_delay=1
PriorityType=priority/basic
# finished jobs stay visible to squeue
MinJobAge=3600
# seconds between SIGTERM and SIGKILL
KillWait=20
EnforcePartLimits=ALL
GresTypes=gpu
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 \
RealMemory={memory} Gres=gpu:2 State=UNKNOWN
PartitionName=gpu Nodes={host} Default=YES DefMemPerCPU=500 DefaultTime=01:00:00 MaxTime=INFINITE State=UP
PartitionName=cpu Nodes={host} Default=NO DefMemPerCPU=500 DefaultTime=01:00:00 MaxTime=INFINITE State=UP
"""
GRES = """\
AutoDetect=off
NodeName={host} Name=gpu File=/dev/null
NodeName={host} Name=gpu File=/dev/zero
"""


def missing() -> str | None:
    """Why the daemons cannot be started here; None where they can."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")]
    if absent:
        return f"SLURM is not installed (no {absent[0]}): on Debian, apt-get install slurm-wlm munge"
    if os.geteuid():
        return "the daemons of SLURM need root"
    if (ETC / "slurm.conf").exists():
        return f"{ETC}/slurm.conf exists: this machine has a SLURM of its own"
    return None


class Lab:
    """The daemons, in a folder of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def start(self) -> None:
        """Start everything and wait until the node takes jobs."""
        for folder in ("state", "spool"):
            (self.root / folder).mkdir(parents=True)
        self.root.chmod(0o755)
        host = socket.gethostname().split(".")[0]
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
        values = {"host": host, "root": self.root, "cpus": os.cpu_count(), "memory": memory}
        ETC.mkdir(exist_ok=True)
        (ETC / "slurm.conf").write_text(CONF.format(**values))
        (ETC / "gres.conf").write_text(GRES.format(**values))
        key = self.root / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = {"key-file": key, "socket": self.root / "munge.socket"}
        files |= {f"{kind}-file": self.root / f"munge.{kind}" for kind in ("pid", "log", "seed")}
        run("munged", "--force", *(f"--{name}={path}" for name, path in files.items()))
        run("slurmctld")
        self.start_node()

    def start_node(self) -> None:
        """Start slurmd and wait until the node takes jobs."""
        run("slurmd")
        wait_until(_node_is_up, "the node is not ready")

    def stop_node(self) -> None:
        """kill -9 of slurmd; what runs on the node goes on."""
        self._end("slurmd", signal.SIGKILL)

    def stop(self) -> None:
        """End every job and daemon, and take the configuration away."""
        subprocess.run(["scancel", "--full", "--user=root"], check=False)
        time.sleep(1)
        for name in ("slurmd", "slurmctld", "munge"):
            self._end(name, signal.SIGTERM)
        # Without its daemons, this file makes every call of Snakemake wait for them.
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)

    def _end(self, name: str, number: signal.Signals) -> None:
        file = self.root / f"{name}.pid"
        if not file.exists():
            return
        pid = int(file.read_text())
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, number)
            wait_until(lambda: not alive(pid), f"{name} does not end")
        file.unlink(missing_ok=True)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _node_is_up() -> bool:
    answer = subprocess.run(["sinfo", "-h", "-p", "gpu", "-o", "%t"], capture_output=True, check=False, text=True)
    return answer.stdout.strip() in ("idle", "mix", "alloc")


def run(*command: str) -> str:
    """Run a program of SLURM; returns what it prints."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
    return done.stdout


def jobs() -> dict[int, dict[str, str]]:
    """All that the controller knows of every job, also of those that have ended (see `scontrol --details show job`)."""
    found = {}
    for block in run("scontrol", "--oneliner", "--all", "--details", "show", "job").splitlines():
        fields = dict(part.partition("=")[::2] for part in block.split() if "=" in part)
        if "JobId" in fields:
            found[int(fields["JobId"])] = fields
    return found


def wait_until(condition: Callable[[], object], problem: str, patience: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"{problem} after {patience} seconds"
        time.sleep(0.1)
