"""User programs as workloads (`workload: exec`) on this computer: which it allows, and golden runs.

csrc/port/linux/EXEC.md describes the protocol between the host and a program. On a board the agent
takes the place of the host."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import weakref
import zlib
from collections.abc import Mapping
from typing import Final

from hil._kernel import lib
from hil.clock import HOST
from hil.errors import ConfigError, KernelError, Problem, SetupError
from hil.kernel import Golden, Workload, digest64
from hil.rig.checked_golden import CheckedGolden
from hil.rig.offspring import ADOPTION, Mark, end_with_all, start_guarded
from hil.rig.program_options import ProgramOptions
from hil.rig.program_regions import RegionMemory, declared_regions
from hil.rig.program_words import last_line, signal_name
from hil.rig.recorded_run import GoldenResults
from hil.scenario import Scenario
from hil.scenario.load import UNPLACED

PREFIX: Final = "exec:"
ENVIRONMENT: Final = "HIL_EXEC"

_HEADER: Final = struct.Struct("<4sBBHI")
_SIZES: Final = struct.Struct("<III")
_COUNT: Final = struct.Struct("<I")
_INIT: Final = 1
_STEP: Final = 2
_READ: Final = 3
_WRITE: Final = 4
_VERSION: Final = 1
_VERSION_REGIONS: Final = 2
_ANSWER_MAX: Final = 1 << 21
_STATE_MAX: Final = 1 << 20
_OUTPUT_MAX: Final = 1 << 16
_OWN_STATE: Final = 8
_PATIENCE_US: Final = 10_000_000
_STDERR_MAX: Final = 4096
_DRAINS_MAX: Final = 64
_END_S: Final = 1.0
_CRC: Final = 4


def allowed_programs() -> dict[str, tuple[str, ...]]:
    """Return path and arguments of the programs that this computer allows, by name.

    Raises: SetupError if $HIL_EXEC does not have the form NAME=/path[,argument...][;NAME=...]."""
    programs: dict[str, tuple[str, ...]] = {}
    for entry in os.environ.get(ENVIRONMENT, "").split(";"):
        if not entry:
            continue
        name, equals, command = entry.partition("=")
        if not equals or not command.startswith("/") or not name or name in programs:
            raise SetupError(
                f"${ENVIRONMENT}: {entry!r} is not NAME=/path[,argument...], or its name is there "
                "twice",
                remedy="entries are separated by `;`, arguments by `,`",
            )
        programs[name] = tuple(command.split(","))
    return programs


def agent_options(more: Mapping[str, tuple[str, ...]] | None = None) -> list[str]:
    """Return the options that make the agent of a process board allow the same programs, and
    `more`.

    Raises: SetupError as `allowed_programs`."""
    programs = {**allowed_programs(), **(more or {})}
    return [part for name in programs for part in ("--exec", f"{name}={','.join(programs[name])}")]


_USUAL: Final = ProgramOptions()


def golden_run(workload: str, seed: int, program: ProgramOptions = _USUAL) -> Golden:
    """Begin the golden run of a workload: of the kernel, of a C file, or of a program on this
    computer, with these options.

    Raises: SetupError if this computer does not allow the program, or it does not start;
    ConfigError if its inputs do not fit."""
    if program.own is not None:
        return program.own.golden_run(seed)
    if program.reduced:
        return _checked_golden(workload, program.reduced, seed)
    if not workload.startswith(PREFIX):
        return Golden(workload, seed)
    if program.recorded is not None:
        return RecordedGolden(program.recorded, program)
    name = workload.removeprefix(PREFIX)
    command = program.command or allowed_programs().get(name)
    if command is None:
        raise SetupError(
            f"there is no reference for the program `{name}`: the golden run needs it on this "
            "computer, which does not allow it",
            remedy=f"set {ENVIRONMENT}={name}=/path/to/it on this computer, too",
        )
    return ProgramGolden(name, command, seed, program)


def _checked_golden(workload: str, reduced: str, seed: int) -> CheckedGolden:
    golden = CheckedGolden(workload, reduced, seed)
    if not golden.takes_same_inputs:
        what = f"`{reduced}` takes other inputs than `{workload}`: it cannot check its results"
        remedy = "attitude can check mekf, and dense-int8 dense-fp32, for example"
        raise ConfigError([Problem(UNPLACED, 0, 0, "$.rig.checkers.workload", what, remedy)])
    return golden


def check_checkers(scenario: Scenario) -> None:
    """Check that the checkers of a doer, if a scenario has them, take the same inputs. Raises:
    ConfigError if they do not."""
    checkers = scenario.rig.checkers
    if checkers is not None and scenario.rig.scheme.has_checkers:
        _checked_golden(scenario.workload_name, checkers.workload, scenario.seed)


def has_long_output(workload: Workload) -> bool:
    """Return whether the output of a workload is too long for the answer to a STEP, which then has
    only its digest."""
    return bool(workload.output_len > lib.MESSAGE_IO_MAX)


def _crc(version: int, data: bytes) -> bytes:
    """Return the CRC of a message of this version of the protocol."""
    crc = zlib.crc32(data) if version == _VERSION_REGIONS else lib.hil_crc32c(0, data, len(data))
    return int(crc).to_bytes(_CRC, "little")


def _end(process: subprocess.Popen[bytes], mark: Mark) -> None:
    """End a program and everything that it has started."""
    process.terminate()  # the guardian kills the program and its descendants
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    end_with_all(process, mark)
    ADOPTION.end()


class ProgramGolden(Golden):
    """The golden run of a program on this computer: a process that computes each frame. The input
    of a frame is that of the options, or random bytes derived from seed and frame. Not
    thread-safe.

    Raises: SetupError from the constructor and from `step` if the program does not follow the
    protocol: without a reference no result can be judged. ConfigError from the constructor if the
    inputs of the options are not those of the program."""

    def __init__(
        self, name: str, command: tuple[str, ...], seed: int, options: ProgramOptions
    ) -> None:
        self._name = name
        self._stderr = b""
        self.seed = seed
        mark = Mark()
        ADOPTION.begin()
        try:
            self._process = start_guarded(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=mark.environment,
                start_new_session=True,
            )
        except OSError as error:
            ADOPTION.end()
            raise self._broken(f"it cannot be started ({error.strerror})") from error
        weakref.finalize(self, _end, self._process, mark)
        assert self._process.stderr is not None
        for fd in (self._fd, self._process.stderr.fileno()):
            os.set_blocking(fd, False)
        self._version = 0  # until its first answer says which
        body = self._ask(_INIT, struct.pack("<Q", seed & (2**64 - 1)), options.init_us)
        if len(body) < _SIZES.size + _COUNT.size * (self._version == _VERSION_REGIONS):
            raise self._broken("its first answer is too short")
        state_len, input_len, output_len = _SIZES.unpack(body[: _SIZES.size])
        state, declarations = self._split(body[_SIZES.size :])
        fits = input_len <= lib.MESSAGE_IO_MAX and 0 < output_len <= _OUTPUT_MAX
        if len(state) != state_len or state_len > _STATE_MAX or not fits:
            raise self._broken("its sizes are out of range")
        self._state_is_private = state_len == 0
        self._state = bytes(_OWN_STATE) if self._state_is_private else state
        self._options = options
        wrong = options.mismatch(input_len, options.frames)
        if wrong:
            remedy = "with `repeat: true` the inputs begin again" if " for " in wrong else ""
            raise ConfigError([Problem(UNPLACED, 0, 0, "$.exec.input", wrong, remedy)])
        try:
            regions = declared_regions(declarations, len(self._state))
        except ValueError as error:
            raise self._broken(f"its regions are not valid: {error}") from None
        self._regions = RegionMemory(regions, self._read_piece, self._write_piece)
        if not self._regions.read_all():
            raise self._broken("its answer about a region is another than was asked for")
        length = len(self._state) + len(self._regions.content)
        self.workload = Workload(
            PREFIX + name, length, input_len, output_len, 0, 1, 0, self._regions.regions
        )
        self._next = 0
        self._input = bytes(input_len)
        self._output = bytes(output_len)

    def _split(self, rest: bytes) -> tuple[bytes, bytes]:
        """Return the state and the declarations of regions in the first answer, behind the
        sizes."""
        if self._version == _VERSION:
            return rest, b""
        (count,) = _COUNT.unpack(rest[: _COUNT.size])
        end = _COUNT.size + count * lib.MESSAGE_REGION_INFO
        if count > lib.MESSAGE_REGIONS_MAX:
            raise self._broken(
                f"it declares {count} regions; expected {lib.MESSAGE_REGIONS_MAX} at most"
            )
        if end > len(rest):
            raise self._broken(f"its first answer is too short for the {count} regions in it")
        return rest[end:], rest[_COUNT.size : end]

    def _read_piece(self, number: int, offset: int, length: int) -> bytes | None:
        place = struct.pack("<III", number, offset, length)
        body = self._ask(_READ, place)
        return body[len(place) :] if body[: len(place)] == place else None

    def _write_piece(self, number: int, offset: int, data: bytes) -> bool:
        place = struct.pack("<III", number, offset, len(data))
        return self._ask(_WRITE, place + data) == place

    @property
    def _fd(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def _broken(self, why: str) -> SetupError:
        """Return the error that the program does not follow the protocol."""
        line = last_line(self._stderr)
        said = f"; its standard error ends with: {line}" if line else ""
        return SetupError(
            f"the reference program `{self._name}`: {why}{said}",
            remedy="csrc/port/linux/EXEC.md says what such a program does",
        )

    def _drain(self) -> bool:
        """Keep the last of what the program has written on standard error; return whether it may
        write more. It never waits for that."""
        assert self._process.stderr is not None
        for _ in range(_DRAINS_MAX):
            try:
                part = os.read(self._process.stderr.fileno(), _STDERR_MAX)
            except BlockingIOError:
                return True
            if not part:
                return False
            self._stderr = (self._stderr + part)[-_STDERR_MAX:]
        return True

    def _exited(self) -> SetupError:
        """Return the error that the program has ended, with how."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self._drain()
        code = self._process.returncode
        if code is None:
            return self._broken("it closed its output")
        return self._broken(
            f"it died of {signal_name(-code)}" if code < 0 else f"it exited with code {code}"
        )

    def _read(self, count: int, until_us: int, patience_us: int) -> bytes:
        """Read exactly `count` bytes of an answer, until `until_us` at the latest."""
        data = b""
        assert self._process.stderr is not None
        both = [self._fd, self._process.stderr.fileno()]
        while len(data) < count:
            if len(both) > 1 and not self._drain():
                both = [self._fd]
            left_us = until_us - HOST.now_us()
            if left_us <= 0 or not (ready := HOST.readable(both, left_us)):
                raise self._broken(f"it did not answer within {patience_us / 1e6:g} s")
            if self._fd not in ready:
                continue
            part = os.read(self._fd, count - len(data))
            if not part:
                raise self._exited()
            data += part
        return data

    def _ask(self, type_: int, body: bytes, patience_us: int = _PATIENCE_US) -> bytes:
        """Send a request and return the body of its answer, which is waited for so long [us]."""
        asked = self._version or _VERSION
        message = _HEADER.pack(b"HILX", asked, type_, 0, len(body)) + body
        until_us = HOST.now_us() + patience_us
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(message + _crc(asked, message))
        except BrokenPipeError:
            raise self._exited() from None
        header = self._read(_HEADER.size, until_us, patience_us)
        magic, version, kind, zero, length = _HEADER.unpack(header)
        spoken = (self._version,) if self._version else (_VERSION, _VERSION_REGIONS)
        if (magic, kind, zero) != (b"HILX", type_, 0) or version not in spoken:
            raise self._broken("its answer has a wrong header")
        self._version = version
        if length > _ANSWER_MAX:
            raise self._broken("its answer is too long")
        answer = self._read(length + _CRC, until_us, patience_us)
        if _crc(version, header + answer[:-_CRC]) != answer[-_CRC:]:
            raise self._broken("its answer has a wrong CRC")
        return answer[:-_CRC]

    def step(self) -> None:
        """Compute the next frame. Raises: SetupError if the program fails or breaks the
        protocol."""
        self._input = self.input_of(self._next)
        frame = struct.pack("<Q", self._next)
        state = b"" if self._state_is_private else self._state
        answer = self._ask(_STEP, frame + state + self._input)
        end = 8 + len(state) + self.workload.output_len
        digests = answer[end:]
        if len(digests) != 8 * len(self._regions.regions) or answer[:8] != frame:
            raise self._broken(f"its answer to frame {self._next} has a wrong frame or length")
        if not self._regions.update(struct.unpack(f"<{len(digests) // 8}Q", digests)):
            raise self._broken(f"its regions after frame {self._next} have another digest")
        self._next += 1
        # The state of a program that keeps it to itself is the number of its next frame.
        own = struct.pack("<Q", self._next)
        self._state = own if self._state_is_private else answer[8 : 8 + len(state)]
        self._output = answer[8 + len(state) : end]

    def resume(self, next_frame: int, state: bytes) -> None:
        """Continue with frame `next_frame` from the state that a run had before it. Raises:
        KernelError if the state has another length than the program's."""
        if len(state) != self.workload.state_len:
            raise KernelError(int(lib.HIL_ERR_ARG), f"state of {len(state)} bytes")
        own = len(self._state)
        self._state, self._next = state[:own], next_frame
        if not self._regions.write_all(state[own:]):
            raise self._broken("it does not take the content of a region")

    @property
    def next_frame(self) -> int:
        """Return the frame that the next `step` computes."""
        return self._next

    @property
    def output_digest(self) -> int:
        """Return the digest of the output of the last step."""
        return digest64(self._output)

    @property
    def state_digest(self) -> int:
        """Return the digest of the state after the last step."""
        return digest64(self.state)

    @property
    def input(self) -> bytes:
        """Return the input of the last step."""
        return self._input

    @property
    def output(self) -> bytes:
        """Return the output of the last step."""
        return self._output

    @property
    def state(self) -> bytes:
        """Return the state after the last step, with the regions that the program has named."""
        return self._state + self._regions.content

    def input_of(self, frame: int) -> bytes:
        """Return the input of any frame, as its sensors delivered it."""
        return self._options.input_of(self.seed, frame, self.workload.input_len)


class RecordedGolden(Golden):
    """The golden run that boards have computed before. Not thread-safe.

    Raises: SetupError from `step` behind its last frame."""

    def __init__(self, run: GoldenResults, options: ProgramOptions) -> None:
        self._run = run
        self._options = options
        self.workload = run.workload
        self.seed = run.seed
        self._next = 0

    def step(self) -> None:
        """Go on to the next frame. Raises: SetupError if it was not recorded."""
        if self._next == self._run.frames:
            raise SetupError(
                f"the golden run was recorded for {self._run.frames} frames",
                remedy="`calibration_frames` must not be more than the frames of the run",
            )
        self._next += 1

    def resume(self, next_frame: int, state: bytes) -> None:
        """Continue with frame `next_frame`. Raises: KernelError if the state before it is another
        than the recorded one."""
        if state != self._run.state_after(next_frame - 1):
            raise KernelError(int(lib.HIL_ERR_ARG), f"another state before frame {next_frame}")
        self._next = next_frame

    @property
    def next_frame(self) -> int:
        """Return the frame to which the next `step` goes."""
        return self._next

    @property
    def output_digest(self) -> int:
        """Return the digest of the output of the last step."""
        return digest64(self.output)

    @property
    def state_digest(self) -> int:
        """Return the digest of the state after the last step."""
        return digest64(self.state)

    @property
    def input(self) -> bytes:
        """Return the input of the last step."""
        return self.input_of(self._next - 1) if self._next else bytes(self.workload.input_len)

    @property
    def output(self) -> bytes:
        """Return the output of the last step."""
        return self._run.output_of(self._next - 1)

    @property
    def state(self) -> bytes:
        """Return the state after the last step."""
        return self._run.state_after(self._next - 1)

    def input_of(self, frame: int) -> bytes:
        """Return the input of any frame, as its sensors delivered it."""
        return self._options.input_of(self.seed, frame, self.workload.input_len)
