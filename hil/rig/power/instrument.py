"""The owner of one bench instrument: one connection, one queue, one worker thread for a resource.

All nodes on outputs of an instrument share its owner. The selected output is state of the
instrument, so that every operation is one transaction:

    lock (all processes) -> select the output -> read the selection back -> commands -> read back
    -> read the selection back again, after changes -> unlock

If the selection that is read back is another one, nothing is written. Where the dialect's commands
name the output, nothing is selected. An instrument that does not answer INST:NSEL? is found out
when it is opened; its selection is confirmed by an empty error queue then.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from hil.clock import HOST
from hil.errors import SetupError
from hil.rig.power.bounded_worker import Abandoned, BoundedWorker, CallTime, Overdue
from hil.rig.power.dialects import Dialect, dialect_of
from hil.rig.power.output import InstrumentError, Output
from hil.rig.power.resource_lock import InstrumentBusy, TransactionLocks
from hil.rig.power.visa_session import Garbage, NoAnswer, VisaSession
from hil.scenario.supply import DialectName, SupplyConfig
from hil.scenario.visa_names import canonical_resource, is_serial_resource, resolved_resource

__all__ = ["Instrument", "release_instrument", "retain_instrument"]

T = TypeVar("T")
_PROBE_S: Final = 1.0
"""How long an instrument may take to answer a question that it may not know."""
_ERRORS_MAX: Final = 30
_SETTLE_S: Final = 0.3
"""How long an instrument that answers again may take to carry out what it has still buffered."""
_LOST: Final = (
    "is it on, and its remote interface enabled? `python -m visa info` and `pyvisa-shell -b py` "
    "show what PyVISA sees"
)


class _Selection(enum.Enum):
    """The way in which an instrument is known to have the right output selected."""

    NONE = "the commands name the output, or there is one only"
    READ_BACK = "INST:NSEL? answers"
    ERROR_QUEUE = "INST:NSEL leaves no error"


class Instrument:
    """The owner of the instrument that `supply` describes. Thread-safe.

    `identity` is its answer to *IDN?, `dialect` its command set; empty and None until it has been
    opened. It is opened by its first transaction, and again after each failure."""

    def __init__(self, supply: SupplyConfig) -> None:
        assert supply.resource is not None
        self.supply = supply
        self.name = canonical_resource(supply.resource)
        self.identity = ""
        self.dialect: Dialect | None = None
        self._selection: _Selection | None = None
        self._worker = BoundedWorker(f"hil power {self.name}")
        self._locks = TransactionLocks()  # of the present transaction
        self._session: VisaSession | None = None
        self._place_name = self.name
        self._unsettled = False  # it may still carry out a command of a request that was given up
        self.users = 0

    def transact(
        self, channel: int, use: Callable[[Output], T], bound_s: float, *, changes: bool = True
    ) -> T:
        """Return the result of `use`, called with output `channel`, as one transaction.

        `changes`: whether `use` changes settings. The call ends within `bound_s` [s], the time in
        the queue included, and a quarter of a second.

        Raises: InstrumentError if the instrument fails; SetupError if PyVISA is missing."""
        locks = TransactionLocks()

        def job(turn: CallTime) -> T:
            self._locks = locks
            try:
                self._lock(self._place(), turn)
                if number := _serial_number(self.identity):
                    self._lock(number, turn)
                return self._repeated(channel, use, turn, changes=changes)
            finally:
                locks.release(complete=not self._unsettled)

        try:
            return self._worker.call(job, bound_s)
        except Overdue as error:
            if error.hung:
                # Its thread comes back to an abandoned turn, without lock and session.
                locks.release(complete=False)
                self._session, self._unsettled = None, True
            raise InstrumentError(f"does not answer: {error}", _LOST) from None
        except InstrumentBusy as error:
            raise InstrumentError(
                str(error),
                "one program at a time switches an instrument: end that one, or wait for it",
            ) from None
        except Abandoned:
            raise InstrumentError("was given up: an earlier request hangs", _LOST) from None

    def close(self) -> None:
        """Close the connection; the next transaction opens it again. Ends within a second."""
        try:
            self._worker.call(lambda _: self._drop(), _PROBE_S)
        except Overdue:
            self._session = None
        self._worker.close()

    # --- in the worker's thread -------------------------------------------------------------------

    def _place(self) -> str:
        """Return the name of the instrument with its host's address in place of the host's name."""
        if self._place_name == self.name:  # it is an address, or was not found so far
            self._place_name = resolved_resource(self.name)
        return self._place_name

    def _lock(self, name: str, turn: CallTime) -> None:
        """Keep others from what is called so until the transaction ends."""
        turn.check()
        done = self._locks.acquire(name, lambda: -1.0 if turn.abandoned else turn.left_s)
        self._unsettled |= not done

    def _repeated(
        self, channel: int, use: Callable[[Output], T], turn: CallTime, *, changes: bool
    ) -> T:
        """Carry out a transaction. A connection that has broken since the last one is opened again
        once: all that `use` does may be done twice."""
        fresh = self._session is None
        try:
            return self._transaction(channel, use, turn, changes=changes)
        except NoAnswer as error:
            self._give_up(turn)
            if fresh or turn.abandoned or turn.left_s <= _PROBE_S / 4 or _is_timeout(error):
                raise self._lost(error) from error
        except Garbage as error:
            self._give_up(turn)
            raise InstrumentError(
                str(error), "is this the right resource? it may be no supply"
            ) from error
        try:
            return self._transaction(channel, use, turn, changes=changes)
        except (NoAnswer, Garbage) as error:
            self._give_up(turn)
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> InstrumentError:
        remedy = _LOST
        if self.dialect is not None and self.dialect.name is not None:
            remedy += (
                "; if it answers other programs, it may not know this command of "
                f"{self.dialect.title}: name its `dialect:`, or write `kind: template`"
            )
        return InstrumentError(f"does not answer: {error}", remedy)

    def _transaction(
        self, channel: int, use: Callable[[Output], T], turn: CallTime, *, changes: bool
    ) -> T:
        session = self._opened(turn)
        session.begin(turn)
        assert self.dialect is not None
        output = Output(session, self.dialect, channel)
        self._select(session, output)
        result = use(output)
        if changes and self._selection is _Selection.READ_BACK:
            self._check_selected(output, "while it was switched")
        return result

    def _opened(self, turn: CallTime) -> VisaSession:
        if self._unsettled and self._session is not None:
            self._drop()  # another process gave up: what it has left is waited for below
        if self._session is None:
            session = self._connected(turn)
            if self._selection is None:
                assert self.dialect is not None
                session, self._selection = self._probed(session, self.dialect, turn)
            self._session = session
            self._unsettled = False
        turn.clean_up = self._session.close
        return self._session

    def _connected(self, turn: CallTime) -> VisaSession:
        """Return a new connection, with its instrument identified, and its commands of earlier
        connections carried out."""
        session = VisaSession(self.supply, turn)
        turn.clean_up = session.close
        try:
            for command in self.supply.init:
                session.write(command)
            identity = self._identify(session)
            if self.identity not in ("", identity):
                raise InstrumentError(
                    f"is another instrument now: {identity[:80]}",
                    "was it exchanged? start the run again with a bench file that describes it",
                )
            self._refuse_second_name(identity)
            if number := _serial_number(identity):
                self._lock(number, turn)
            self.identity, self.dialect = identity, dialect_of(self.supply, identity)
            session.speak(self.dialect)
            if self._unsettled:
                # It is alive. A command that it has still buffered, of a connection that was given
                # up, must not come between a selection and what is switched after it.
                HOST.sleep_us(_SETTLE_S * 1e6)
            turn.check()
        except BaseException:
            session.close()
            raise
        return session

    def _refuse_second_name(self, identity: str) -> None:
        """Check that no other owner has this instrument by another name. Raises: InstrumentError if
        one has."""
        if not _serial_number(identity):
            return
        for owner in list(_owners.values()):
            if owner.name != self.name and owner.identity == identity:
                raise InstrumentError(
                    f"is the instrument that {owner.supply.resource} names, too (serial number "
                    f"{_serial_number(identity).split(',')[-1]})",
                    "use one name for it in the bench file",
                )

    def _identify(self, session: VisaSession) -> str:
        if self.supply.commands is not None:
            return ""  # a template's instrument need not know *IDN?
        if self.supply.dialect is DialectName.KORAD:
            return session.identity_without_terminator(1e9)
        assert self.supply.resource is not None
        if self.supply.dialect is DialectName.AUTO and is_serial_resource(self.supply.resource):
            try:
                return session.query("*IDN?", _PROBE_S)
            except NoAnswer:
                return session.identity_without_terminator(_PROBE_S)
        return session.query("*IDN?")

    def _probed(
        self, session: VisaSession, dialect: Dialect, turn: CallTime
    ) -> tuple[VisaSession, _Selection]:
        """Find out how the selection of an output can be known. Changes no output."""
        if not dialect.select:
            return session, _Selection.NONE
        try:
            self._clear_errors(session, dialect)
            if session.query(dialect.ask_selected, _PROBE_S).lstrip("+").isdecimal():
                return session, _Selection.READ_BACK
        except NoAnswer:
            pass
        # Its answer may still come: after it, answers would be those of earlier questions.
        session.close()
        session = self._connected(turn)
        try:
            self._clear_errors(session, dialect)
        except NoAnswer:
            session.close()
            raise InstrumentError(
                f"knows neither `{dialect.ask_selected}` nor `{dialect.error}`: it could not be "
                "seen which output is switched",
                "if it has one output only, write `dialect: single`; else name its `dialect:`, or "
                "write `kind: template` with commands that name the output",
            ) from None
        return session, _Selection.ERROR_QUEUE

    def _select(self, session: VisaSession, output: Output) -> None:
        dialect = output.dialect
        channel = output.channel
        if dialect.outputs and channel > dialect.outputs:
            count = "one output" if dialect.outputs == 1 else f"{dialect.outputs} outputs"
            raise InstrumentError(
                f"has {count} that can be switched ({dialect.title}); there is no output {channel}",
                "correct `channel:`, or name another `dialect:`",
            )
        if self._selection is _Selection.NONE:
            return
        session.write(output.filled(dialect.select))
        if self._selection is _Selection.READ_BACK:
            self._check_selected(output, "after it was selected")
            return
        answer = session.query(dialect.error)
        if not _is_no_error(answer):
            if channel == 1 and answer.lstrip("+").startswith("-113"):
                # It has no outputs to select. Later transactions put no error into its queue.
                self._selection = _Selection.NONE
                self._clear_errors(session, dialect)
                return
            raise InstrumentError(
                f"does not select output {channel}: {answer[:80]}; nothing was written",
                "does the supply have this output? one with a single output has channel 1",
            )

    def _check_selected(self, output: Output, when: str) -> None:
        """Check that this output is the selected one. Raises: InstrumentError if it is not."""
        answer = output.session.query(output.filled(output.dialect.ask_selected))
        digits = answer.strip().lstrip("+")
        if not digits.isdecimal():
            raise Garbage(f"`{output.dialect.ask_selected}` was answered by {answer[:40]!r}")
        if int(digits) != output.channel:
            raise InstrumentError(
                f"has output {int(digits)} selected {when}, not {output.channel}; nothing more was "
                "written",
                "does somebody use its panel, or another program that does not lock it?",
            )

    def _clear_errors(self, session: VisaSession, dialect: Dialect) -> None:
        """Empty the error queue: what stands in it is not this program's. Raises: NoAnswer."""
        if not dialect.error:
            return
        for _ in range(_ERRORS_MAX):
            answer = session.query(dialect.error, _PROBE_S)
            if _is_no_error(answer) or not any(letter.isdigit() for letter in answer):
                return

    def _give_up(self, turn: CallTime) -> None:
        """Close the connection of a request that was not answered."""
        if not turn.abandoned:  # else the connection of a later request would be closed
            self._unsettled = True
            self._drop()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _serial_number(identity: str) -> str:
    """Return the maker, model and serial number in an answer to *IDN?; empty if the instrument does
    not know its own serial number."""
    fields = [field.strip() for field in identity.split(",")]
    known = len(fields) > 2 and fields[2].strip("0")
    return ",".join(fields[:3]) if known else ""


def _is_no_error(answer: str) -> bool:
    number = answer.strip().lstrip("+-").partition(",")[0].split()
    return bool(number) and number[0].strip("0") == "" and number[0] != ""


def _is_timeout(error: NoAnswer) -> bool:
    text = str(error).lower()
    return "vi_error_tmo" in text or "timeout" in text or "time is over" in text


# --- one owner for each resource ------------------------------------------------------------------

_owners: dict[tuple[str, str | None], Instrument] = {}
_owners_guard: Final = threading.Lock()
_SHARED: Final = (
    "dialect",
    "commands",
    "baud",
    "data_bits",
    "parity",
    "stop_bits",
    "flow",
    "init",
)


def retain_instrument(supply: SupplyConfig) -> Instrument:
    """Return the one owner of the instrument that `supply` describes, for one more user.

    Raises: SetupError if another user describes the same instrument otherwise."""
    assert supply.resource is not None
    place = (canonical_resource(supply.resource), supply.backend)
    with _owners_guard:
        owner = _owners.get(place) or Instrument(supply)
        for key in _SHARED:
            if getattr(owner.supply, key) != getattr(supply, key):
                raise SetupError(
                    f"the supply {supply.resource} has two different `{key}:` in the bench file",
                    remedy="describe it in the same way for each of its boards",
                )
        _owners[place] = owner
        owner.users += 1
        return owner


def release_instrument(owner: Instrument) -> None:
    """Release an owner; the last user's release closes its connection."""
    with _owners_guard:
        owner.users -= 1
        if owner.users > 0:
            return
        _owners.pop((owner.name, owner.supply.backend), None)
    owner.close()
