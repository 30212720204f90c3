"""Whatever happens while a checkpoint is saved over an older one, the file is the old one or the new one, bit for bit.

    checkpoint_faults.py SAVE_CHECKPOINT SHORT_WRITES.so

Runs the program under `strace -e inject=`, which lets its nth system call of a kind fail, be cut short, or be the last
thing it does. Ends with 77 (skipped) where there is no strace, or it may not trace.
"""

import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

PROGRAM, SHORT_WRITES = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
SKIPPED = 77
CALLS = ["openat", "write", "fsync", "rename", "close", "fchmod", "newfstatat"]
REASONS = {"ENOSPC": "No space left on device", "EIO": "Input/output error", "EINTR": "Interrupted system call"}
# The sanitizers' own checks at the end of a program do not work while it is traced.
os.environ["ASAN_OPTIONS"] = "detect_leaks=0:verify_asan_link_order=0"


class Case:
    """A folder with an old checkpoint in it, and what is checked after each save."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.path = self.folder / "model.safetensors"
        self.other = self.folder / "other"
        self.count = 0
        self.outcomes = {}
        self.bits = {}
        for which in ["old", "new"]:
            subprocess.run([PROGRAM, self.path, which], check=True)
            self.bits[which] = self.path.read_bytes()
        assert self.bits["old"] != self.bits["new"]

    def start(self, before="old"):
        for name in os.listdir(self.folder):
            if name != self.path.name:
                (self.folder / name).unlink()
        if before is None:
            self.path.unlink(missing_ok=True)
        else:
            self.path.write_bytes(self.bits[before])

    def verdict(self, what, done, before="old", killed=False, reason=None):
        """Raises AssertionError unless the promise was kept."""
        self.count += 1
        told = f"{what}: status {done.returncode}, stderr {done.stderr!r}"
        now = self.path.read_bytes() if self.path.exists() else None
        old = None if before is None else self.bits[before]
        assert now in (old, self.bits["new"]), f"{told}: the file is neither the old one nor the new one"
        is_new = now == self.bits["new"]
        if now is not None:
            found = subprocess.run([PROGRAM, "--check", self.path], capture_output=True, text=True)
            assert found.stdout.strip() == ("new" if is_new else "old"), f"{told}: {found.stdout}{found.stderr}"
        if killed:
            assert done.returncode in (-9, 137), told
        elif done.returncode == 0:
            assert is_new, f"{told}: it says that it saved, and the old file is there"
        else:
            assert done.returncode == 1, told
            assert str(self.path) in done.stderr, f"{told}: the path is not named"
            if reason:
                assert reason in done.stderr, f"{told}: expected '{reason}'"
            if is_new:
                assert "written, but" in done.stderr, f"{told}: the new file is there, and it is not said"
            leftover = [name for name in os.listdir(self.folder) if ".tmp" in name]
            assert not leftover, f"{told}: left over: {leftover}"
        outcome = "killed" if killed else "saved" if done.returncode == 0 else "refused"
        self.outcomes[outcome, is_new] = self.outcomes.get((outcome, is_new), 0) + 1

    def run(self, *command, **options):
        return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, **options)

    def traced(self, *options):
        """Of a save: how it ended, and its calls."""
        log = self.folder.parent / "log"
        own = [self.folder, self.path, f"{self.path}.tmp0"]  # no call for anything else is looked at
        paths = [option for path in own for option in ("-P", path)]
        done = self.run("strace", "-f", "-q", "-o", log, *paths, *options, PROGRAM, self.path, "new")
        return done, log.read_text()


def tracing_works(folder):
    if shutil.which("strace") is None:
        return "there is no strace"
    log = pathlib.Path(folder) / "trial"
    done = subprocess.run(["strace", "-o", log, "-e", "trace=close", "-e", "inject=close:error=EIO:when=9999", "true"],
                          capture_output=True, text=True)
    return None if done.returncode == 0 else f"strace may not trace: {done.stderr.strip()}"


def injections(case):
    """Every call of a save as (name, which, what happens to it)."""
    done, log = case.traced("-e", "trace=" + ",".join(CALLS))
    assert done.returncode == 0, done.stderr
    made = re.findall(r"^(?:\d+ +)?(\w+)\(", log, re.M)
    for call in dict.fromkeys(made):
        for n in range(1, made.count(call) + 1):
            yield call, n, "signal=KILL"
            for error in REASONS:
                yield call, n, f"error={error}"
        for error in ["ENOSPC", "EIO"]:  # every one of them, to the end
            yield call, "1+", f"error={error}"
    yield "write", 1, "retval=0"


def inject_everywhere(case):
    for before in ["old", None]:
        case.start(before)
        for call, n, fault in list(injections(case)):
            case.start(before)
            done, log = case.traced("-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={n}")
            what = f"{call} number {n}, {fault}, over {before}"
            assert "INJECTED" in log or "SIGKILL" in log or "killed" in log, f"{what}: nothing was injected: {log}"
            error = fault.removeprefix("error=")
            # what a failing unlink or close says is told by nobody: the temporary file is given up already
            reason = REASONS.get(error) if call in ("openat", "write", "fsync", "rename", "fchmod") else None
            case.verdict(what, done, before, killed=fault == "signal=KILL", reason=reason if done.returncode else None)


def short_writes(case):
    """Under strace a write can only claim to be shorter. Here it is: by a library that writes half of what is asked for,
    and by a limit on the size of files."""
    case.start()
    done = case.run(PROGRAM, case.path, "new", env={**os.environ, "LD_PRELOAD": str(SHORT_WRITES)})
    assert done.returncode == 0, done
    case.verdict("writes of half of what is asked for", done)
    size = len(case.bits["new"])
    for limit in [0, 1, 4096, size - 1, size, size + 1]:
        case.start()

        def cut():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        done = case.run(PROGRAM, case.path, "new", preexec_fn=cut)
        assert (done.returncode == 0) == (limit >= size), (limit, done)
        case.verdict(f"a file of at most {limit} bytes", done, reason="File too large" if limit < size else None)


def failing_reads(case):
    """Loading is told of what goes wrong as well, be it in the length, the header or the elements."""
    case.start("new")
    log = case.folder.parent / "log"

    def load(*options):
        done = case.run("strace", "-f", "-q", "-o", log, "-P", case.path, "-e", "trace=openat,read,readv", *options, PROGRAM,
                        "--check", case.path)
        return done, re.findall(r"^(?:\d+ +)?(\w+)\(", log.read_text(), re.M)

    done, made = load()
    assert done.returncode == 0 and len(made) > 2, (done, made)
    for call in dict.fromkeys(made):
        for n in range(1, made.count(call) + 1):
            case.count += 1
            done, _ = load("-e", f"inject={call}:error=EIO:when={n}")
            told = f"{call} number {n} while loading: status {done.returncode}, stderr {done.stderr!r}"
            assert done.returncode == 1 and done.stdout == "", told
            assert str(case.path) in done.stderr and REASONS["EIO"] in done.stderr, told
            assert case.path.read_bytes() == case.bits["new"], told


def full_disk(case, folder):
    """A file system of its own, too small for both."""
    mounted = pathlib.Path(folder) / "full"
    mounted.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", mounted],
                                           capture_output=True).returncode != 0:
        return "no file system could be mounted"
    try:
        full = Case.__new__(Case)
        full.__dict__.update(case.__dict__, folder=mounted, path=mounted / "model.safetensors", count=0,
                             outcomes={})
        for room in range(0, 20):  # pages left beside the old one
            full.start()
            filler = mounted / "filler"
            with open(filler, "wb") as file:
                file.write(b"x" * 4096)
                while os.statvfs(mounted).f_bavail > room:
                    file.write(b"x" * 4096)
                    file.flush()
            done = full.run(PROGRAM, full.path, "new")
            full.verdict(f"a disk with {room} pages left", done,
                         reason="No space left on device" if done.returncode else None)
        assert full.outcomes.get(("refused", False)), "the disk was never full"

        full.start()
        subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
        done = full.run(PROGRAM, full.path, "new")
        assert done.returncode == 1 and full.path.read_bytes() == full.bits["old"], done
        full.verdict("a disk that is mounted read-only", done, reason="Read-only file system")
        case.count += full.count
        for outcome, n in full.outcomes.items():
            case.outcomes[outcome] = case.outcomes.get(outcome, 0) + n
    finally:
        subprocess.run(["umount", mounted], check=True)
    return None


def other_places(case):
    case.start()
    stale = case.folder / "model.safetensors.tmp0"
    stale.write_bytes(b"half a fi")
    done = case.run(PROGRAM, case.path, "new")
    assert done.returncode == 0 and stale.read_bytes() == b"half a fi", done
    stale.unlink()
    case.verdict("a temporary file of a killed process", done)

    case.start()
    case.folder.chmod(0o555)
    as_somebody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    done = case.run(PROGRAM, case.path, "new", **as_somebody)
    case.folder.chmod(0o755)
    case.verdict("a folder that nobody may write to", done, reason="Permission denied")
    assert done.returncode == 1, done

    done = case.run(PROGRAM, "/dev/full", "new")
    assert done.returncode == 1 and "/dev/full" in done.stderr, done


def syncs(case):
    """What is renamed has been synced after its last write, and the folder is synced after."""
    case.start()
    done, log = case.traced("-e", "trace=openat,write,fsync,rename")
    case.verdict("nothing", done)
    calls = [(m[1], m[0]) for m in re.finditer(r"(\w+)\(.*", log)]
    rename = next(i for i, (name, _) in enumerate(calls) if name == "rename")
    opened = {line.rsplit("= ", 1)[1]: line for name, line in calls if name == "openat" and str(case.folder) in line}
    folder_descriptor = next(number for number, line in opened.items() if f'"{case.folder}"' in line)
    file_descriptor = next(number for number, line in opened.items() if ".tmp0" in line)
    before = [line for name, line in calls[:rename] if name == "fsync"]
    after = [line for name, line in calls[rename:] if name == "fsync"]
    assert any(f"fsync({file_descriptor})" in line for line in before), log
    to_file = [name for name, line in calls[:rename] if re.match(rf"(write|fsync)\({file_descriptor}\b", line)]
    assert "write" in to_file and to_file[-1] == "fsync", log
    assert any(f"fsync({folder_descriptor})" in line for line in after), log


def main():
    with tempfile.TemporaryDirectory() as folder:
        case_folder = pathlib.Path(folder) / "case"
        case_folder.mkdir(mode=0o755)
        os.chmod(folder, 0o755)
        reason = tracing_works(folder)
        if reason:
            print(f"skipped: {reason}")
            sys.exit(SKIPPED)
        case = Case(case_folder)
        syncs(case)
        inject_everywhere(case)
        short_writes(case)
        failing_reads(case)
        other_places(case)
        without = full_disk(case, folder)
        print(f"{case.count} faults; " + ", ".join(f"{outcome} and {'new' if new else 'old'}: {n}"
              for (outcome, new), n in sorted(case.outcomes.items())) + (f"; {without}" if without else ""))


main()
