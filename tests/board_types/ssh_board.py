"""A board that is reached by a real sshd: a root file system of its own, in which everything that
is installed stays, and `sudo`, `systemctl` and `udevadm` that note what they are told.

    the root    a folder, or an overlay in memory above it, in a mount namespace of the sshd
    ssh, scp    those of this computer, which find the board as `left` by a configuration
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import wait_until

SSHD = shutil.which("sshd", path=f"/usr/sbin:{os.environ.get('PATH', '')}")

SUDO = '#!/bin/sh\nexec "$@"\n'
SYSTEMCTL = """#!/bin/sh
echo "$@" >>/told
case "$*" in
is-active*) [ -e /run/hil-agent ] && echo active || { echo inactive; exit 3; } ;;
"restart hil-agent.service") [ -e /broken ] && exit 1; touch /run/hil-agent ;;
"disable --now hil-agent.service") rm -f /run/hil-agent ;;
esac
"""
SETUP = """
set -e
cd "$1"
if [ "$2" = overlay ]; then
  mount -t tmpfs tmpfs layers
  mkdir layers/upper layers/work
  mount -t overlay overlay -o "lowerdir=root,upperdir=layers/upper,workdir=layers/work" seen
else
  mount --bind root seen
fi
for folder in bin lib lib32 lib64 sbin usr; do
  [ -d "/$folder" ] && [ ! -L "/$folder" ] && mount --bind "/$folder" "seen/$folder"
done
mount --bind local seen/usr/local
mount --rbind /dev seen/dev
mount -t proc proc seen/proc
exec chroot seen "$3" -D -e -f /sshd_config
"""


def why_not() -> str:
    """Why such a board cannot be had here; empty if it can."""
    if SSHD is None or shutil.which("ssh") is None:
        return "there is no sshd: apt-get install openssh-server"
    if os.geteuid() != 0:
        return "only root may give an sshd a root file system of its own"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "true"], capture_output=True, check=False
    )
    return "" if done.returncode == 0 else "mounting is forbidden here"


@dataclass
class SshBoard:
    """One such board: its folder, and the root that it keeps when it is an overlay."""

    name: str
    folder: Path
    port: int

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def local(self) -> Path:
        """What it has in /usr/local."""
        return self.folder / "local"

    @property
    def told(self) -> list[str]:
        """What its `systemctl` was told, in order, without questions."""
        file = self.root / "told"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if not line.startswith("is-active")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_root(board: SshBoard, key: Path) -> None:
    """Give the board as much of a system as sshd and the scripts need."""
    root = board.root
    for folder in ("dev", "proc", "tmp", "run/sshd", "root", "etc/systemd/system", "usr"):
        (root / folder).mkdir(parents=True)
    for folder in ("bin", "lib", "lib32", "lib64", "sbin"):
        real = Path("/") / folder
        if real.is_symlink():
            (root / folder).symlink_to(real.readlink())
        elif real.is_dir():
            (root / folder).mkdir()
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nsshd:x:101:65534::/run:/bin/sh\n"
    )
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "etc/shadow").write_text("root:*:19000:0:99999:7:::\n")  # no password, not locked
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\n")
    if Path("/etc/ld.so.cache").exists():
        shutil.copy("/etc/ld.so.cache", root / "etc")
    shutil.copy(key.with_suffix(".pub"), root / "keys")
    shutil.copy(key, root / "host_key")
    (root / "host_key").chmod(0o600)
    (root / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {board.port}\nHostKey /host_key\nAuthorizedKeysFile /keys\n"
        "StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nPidFile none\n"
        "Subsystem sftp internal-sftp\n"
    )
    for name in ("bin", "lib", "share"):
        (board.local / name).mkdir(parents=True)
    for name, text in (("sudo", SUDO), ("systemctl", SYSTEMCTL), ("udevadm", "#!/bin/sh\n")):
        program = board.local / "bin" / name
        program.write_text(text)
        program.chmod(0o755)
    for name in ("seen", "layers"):
        (board.folder / name).mkdir()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serve(board: SshBoard, kind: str) -> Iterator[None]:
    """Run the sshd of a board until the block ends."""
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SETUP, "sh"]
    words += [str(board.folder), kind, str(SSHD)]
    with (board.folder / "sshd.log").open("w") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or answers(board.port))
        assert process.poll() is None, (board.folder / "sshd.log").read_text()
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def ssh_boards(folder: Path, **roots: str) -> Iterator[dict[str, SshBoard]]:
    """Boards with these names, each with `overlay` or `plain` as its root, and the folder
    `folder/bin` for the PATH, whose ssh and scp reach them by their names."""
    key = folder / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=60
    )
    boards: dict[str, SshBoard] = {}
    with ExitStack() as stack:
        for name, kind in roots.items():
            board = boards[name] = SshBoard(name, folder / name, free_port())
            make_root(board, key)
            stack.enter_context(serve(board, kind))
        write_client(folder, boards, key)
        yield boards


def write_client(folder: Path, boards: dict[str, SshBoard], key: Path) -> None:
    entries = [
        f"Host {board.name}\n  HostName 127.0.0.1\n  Port {board.port}\n"
        for board in boards.values()
    ]
    entries.append("Host nobody\n  HostName 127.0.0.1\n  Port 1\n")
    common = (
        f"Host *\n  User root\n  IdentityFile {key}\n  IdentitiesOnly yes\n"
        "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
    )
    config = folder / "ssh_config"
    config.write_text("".join(entries) + common)
    (folder / "bin").mkdir()
    for name in ("ssh", "scp"):
        program = folder / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {shutil.which(name)} -F {config} "$@"\n')
        program.chmod(0o755)
