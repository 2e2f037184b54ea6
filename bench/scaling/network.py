"""A network of hosts on this machine, with latency and bandwidth of choice: one network namespace for each host, and this
process between them, which holds every packet back for as long as a real network would. Needs root, and iproute2.

    with Network(hosts=4, latency=0.001, bandwidth=125e6) as network:
        network.mpirun(4, ["build/release/bin/bench_shared_step"])
"""

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import struct
import subprocess
import tempfile
import time
from collections import deque

SUBNET = "10.9.0"
MTU = 65000  # few large packets: Python forwards them, and is not what is to be measured
TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 1, 0x1000, 0x40000000


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@contextlib.contextmanager
def inside(namespace):
    """This thread in a network namespace, or where it is for None."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if namespace is not None:
            other = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
            if libc.setns(other, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
            os.close(other)
        yield
    finally:
        libc.setns(own, CLONE_NEWNET)
        os.close(own)


class Network:
    """Hosts 10.9.0.1, 10.9.0.2, ... and 10.9.0.254, this one. A packet arrives `latency` seconds after its last byte has left, and
    each host sends `bandwidth` bytes a second."""

    def __init__(self, hosts, latency, bandwidth):
        self.hosts, self.latency, self.bandwidth = hosts, latency, bandwidth

    def __enter__(self):
        self.devices = {}
        self.cleanup = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            for host in range(1, self.hosts + 1):
                name = f"attune{host}"
                ip("netns", "add", name)
                undo.callback(ip, "netns", "del", name)
                ip("-n", name, "link", "set", "lo", "up")
                self._connect(host, name, undo)
            self._connect(254, None, undo)
            agent = undo.enter_context(tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False))
            undo.callback(os.unlink, agent.name)
            # How mpirun starts a process on a host. Each host needs a name of its own.
            agent.write('#!/bin/sh\nhost=attune${1##*.}; shift\n'
                        'exec ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"\n')
            agent.close()
            os.chmod(agent.name, 0o755)
            self.agent = agent.name
            self.router = os.fork()
            if self.router == 0:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                try:
                    self._route()
                finally:
                    os._exit(0)
            undo.callback(os.waitpid, self.router, 0)
            undo.callback(os.kill, self.router, signal.SIGTERM)
            self.cleanup = undo.pop_all()
        return self

    def __exit__(self, *error):
        self.cleanup.close()

    def _connect(self, host, namespace, undo):
        device = f"attune{host}"
        with inside(namespace):
            descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
        undo.callback(os.close, descriptor)
        where = [] if namespace is None else ["-n", namespace]
        ip(*where, "addr", "add", f"{SUBNET}.{host}/24", "dev", device)
        ip(*where, "link", "set", device, "mtu", str(MTU), "txqueuelen", "10000", "up")
        self.devices[host] = descriptor

    def _route(self):
        """Forwards packets for ever."""
        queues = {host: deque() for host in self.devices}  # by sender: (time of arrival, receiver, packet)
        free = dict.fromkeys(self.devices, 0.0)            # when a sender's line is free again
        hosts = {descriptor: host for host, descriptor in self.devices.items()}
        while True:
            now = time.monotonic()
            due = [queue[0][0] for queue in queues.values() if queue]
            wait = max(min(due) - now, 0) if due else None
            for descriptor in select.select(list(hosts), [], [], wait)[0]:
                sender = hosts[descriptor]
                packet = os.read(descriptor, MTU + 100)
                if packet[0] >> 4 != 4:  # IPv6: of the system
                    continue
                free[sender] = max(free[sender], time.monotonic()) + len(packet) / self.bandwidth
                queues[sender].append((free[sender] + self.latency, packet[19], packet))
            now = time.monotonic()
            for queue in queues.values():
                while queue and queue[0][0] <= now:
                    _, receiver, packet = queue.popleft()
                    if receiver in self.devices:
                        with contextlib.suppress(OSError):  # TCP sends again
                            os.write(self.devices[receiver], packet)

    def mpirun(self, processes, command):
        """Standard output of a command that runs once on each of the first hosts."""
        names = ",".join(f"{SUBNET}.{host}:1" for host in range(1, processes + 1))
        options = {"plm_rsh_agent": self.agent, "oob_tcp_if_include": f"{SUBNET}.0/24", "btl_tcp_if_include": f"{SUBNET}.0/24",
                   "btl": "self,tcp", "pml": "ob1"}
        mca = [word for name, value in options.items() for word in ("--mca", name, value)]
        return run(["mpirun", "-n", str(processes), "--host", names, "--bind-to", "none", *mca, *command])


class OneMachine:
    """The processes as mpirun starts them on one machine: they exchange through its memory."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def mpirun(self, processes, command):
        """Standard output of a command that runs so many times."""
        return run(["mpirun", "-n", str(processes), "--oversubscribe", "--bind-to", "none", *command])


def run(command):
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
