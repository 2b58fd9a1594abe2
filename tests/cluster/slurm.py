"""A SLURM of two nodes on this machine's loopback, in a folder of its own: Debian's, as root.

Two nodes of 128 cores, 1 TB and eight GPUs each, none of which is real. Memory is limited by cgroups where the machine
has them. No accounting: what became of a job is known as long as MinJobAge.
"""

import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

import psutil

PACKAGES = ("slurm-wlm", "slurmd", "slurmctld", "slurm-client", "munge")
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
PLACE = Path("/etc/slurm")  # SLURM_CONF would not do: job steps lose what begins with SLURM_
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
MEMORY = Path("/sys/fs/cgroup/memory")  # of cgroups, version 1
NODES = ("n1", "n2")
CONF = """\
ClusterName=loop
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={place}/munge/munge.socket
CryptoType=crypto/munge
CredType=cred/munge
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool-%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd-%n.pid
SlurmctldLogFile={place}/log/slurmctld.log
SlurmdLogFile={place}/log/slurmd-%n.log
SlurmctldPort=16817
ProctrackType=proctrack/linuxproc
TaskPlugin={task}
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
EnforcePartLimits=ALL
ReturnToService=2
KillWait=10
MinJobAge=3600
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
{memory}GresTypes=gpu
SlurmdParameters=config_overrides
PartitionName=gpu Nodes=n1,n2 Default=YES MaxTime=1440 State=UP PriorityTier=1 GraceTime=20
PartitionName=cpu Nodes=n1,n2 MaxTime=2880 State=UP PriorityTier=1 GraceTime=20
PartitionName=spare Nodes=n1,n2 MaxTime=1440 State=UP PriorityTier=1 PreemptMode=CANCEL
PartitionName=urgent Nodes=n1,n2 MaxTime=60 State=UP PriorityTier=10
"""
NODE = (
    "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=128 Boards=1 SocketsPerBoard=2 "
    "CoresPerSocket=64 ThreadsPerCore=1 RealMemory=1000000 Gres=gpu:8\n"
)


def install() -> str:
    """Install what is not there; why there can be no SLURM here, empty where there can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "the daemons of SLURM are started as root"
    if not all(map(shutil.which, PROGRAMS)):
        if shutil.which("apt-get") is None:
            return "no SLURM here, and no apt-get to install it"
        words = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"{' '.join(words)}: {(done.stderr or done.stdout).strip().splitlines()[-1]}"
    there = [str(PLACE / name) for name in FILES if os.path.lexists(PLACE / name)]
    return f"a SLURM is configured here already: {', '.join(there)}" if there else ""


class Slurm:
    """The daemons, from `start` to `stop`. `place` must be an empty folder with a short path (a socket lies in it)."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Slurm":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Write the configuration, start the daemons, wait for both nodes."""
        for name in ("state", "log", "munge", *(f"spool-{node}" for node in NODES)):
            (self.place / name).mkdir()
        for number in range(8):
            (self.place / f"gpu{number}").symlink_to("/dev/null")  # a GPU must be a device
        self._configure()
        self._munge()
        self._daemon("slurmctld", "-D")
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node)
        self.wait_for(lambda: sorted(self.nodes().values()) == ["idle", "idle"], "the nodes", 60)

    def stop(self) -> None:
        """End jobs, daemons and what they left; take the links away."""
        if len(self.daemons) > 1:
            subprocess.run(["scancel", "--user", "root"], check=False, timeout=60, capture_output=True)
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and self.jobs(states="R,CG"):
                time.sleep(1)
        started = [each for daemon in self.daemons for each in _below(daemon.pid)]
        steps = [each for each in psutil.process_iter(["name"]) if (each.info["name"] or "").startswith("slurmstepd")]
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for left in [*started, *steps]:
            if left.is_running():
                left.kill()
        self.daemons = []
        for name in FILES:
            link = PLACE / name
            if link.is_symlink() and Path(os.readlink(link)).parent == self.place:
                link.unlink()
        for group in sorted(MEMORY.parent.glob("*/slurm_n[12]/**/"), reverse=True):
            group.rmdir()

    def nodes(self) -> dict[str, str]:
        """Node -> its state, such as idle, mixed, drained."""
        said = _said("sinfo", "--noheader", "--Node", "--format", "%N %T")
        return dict(line.split() for line in said.splitlines())

    def jobs(self, states: str = "all") -> dict[str, tuple[str, str]]:
        """Job -> its state and comment."""
        said = _said("squeue", "--noheader", f"--states={states}", "--format", "%i|%T|%k")
        found = (line.split("|", 2) for line in said.splitlines())
        return {job: (state, comment) for job, state, comment in found}

    def wait_for(self, what: object, named: str, seconds: float) -> None:
        """Until `what()` holds. AssertionError, with the controller's last words, after so many seconds."""
        assert callable(what)
        deadline = time.monotonic() + seconds
        while not what():
            log = self.place / "log" / "slurmctld.log"
            assert time.monotonic() < deadline, f"waited for {named}: {log.read_text()[-3000:]}"
            time.sleep(0.5)

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        lines = [NODE.format(node=node, host=host, port=17001 + number) for number, node in enumerate(NODES)]
        limits = MEMORY.is_dir()  # without it SLURM kills what is too large all the same, and calls it FAILED
        task, memory = ("task/cgroup", "") if limits else ("task/none", "JobAcctGatherParams=OverMemoryKill\n")
        conf = CONF.format(host=host, place=self.place, task=task, memory=memory)
        at = conf.index("PartitionName")  # nodes before what is made of them
        (self.place / "slurm.conf").write_text(conf[:at] + "".join(lines) + conf[at:])
        gres = [f"NodeName={node} Name=gpu Flags=nvidia_gpu_env File={self.place}/gpu[0-7]\n" for node in NODES]
        (self.place / "gres.conf").write_text("".join(gres))
        (self.place / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\n" if limits else "")
        PLACE.mkdir(exist_ok=True)
        for name in FILES:
            (PLACE / name).symlink_to(self.place / name)

    def _munge(self) -> None:
        place = self.place / "munge"
        place.chmod(0o700)
        key = place / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        named = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log"}
        words = [f"--{option}={place / name}" for option, name in {**named, "seed-file": "munged.seed"}.items()]
        self._daemon("munged", "--foreground", "--force", *words)
        self.wait_for((place / "munge.socket").exists, "munged", 20)

    def _daemon(self, *words: str) -> None:
        with open(self.place / "log" / f"{words[0]}-{words[-1].strip('-')[:10].replace('/', '_')}.out", "wb") as said:
            self.daemons.append(subprocess.Popen(words, stdout=said, stderr=said, stdin=subprocess.DEVNULL))


def _below(number: int) -> list[psutil.Process]:
    try:
        return psutil.Process(number).children(recursive=True)
    except psutil.Error:
        return []


def _said(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout if done.returncode == 0 else ""


def tell(*words: str) -> str:
    """Give SLURM an order; what it said. CalledProcessError where it refuses."""
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
