"""What a line of a console says of its board, by the patterns of all runs and own ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import ConfigError
from hil.scenario import Overrides, load, parse_scenario
from hil.scenario.bench import parse_bench
from hil.scenario.console_patterns import (
    SHIPPED_PATTERNS,
    Gravity,
    is_failure,
    own_patterns,
    sign_of,
)


@pytest.mark.parametrize(
    ("line", "gravity", "text"),
    [
        (
            "[   12.345678] Kernel panic - not syncing: Attempted to kill init! exitcode=0xb",
            Gravity.PANIC,
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0xb",
        ),
        (
            "[    3.1] Internal error: Oops: 0000000096000045 [#1] SMP",
            Gravity.FAILURE,
            "Internal error: Oops: 0000000096000045 [#1] SMP",
        ),
        ("Oops: 0002 [#1] SMP", Gravity.FAILURE, "Oops: 0002 [#1] SMP"),
        (
            "[ 3.1] Unable to handle kernel NULL pointer dereference at virtual address 0000",
            Gravity.FAILURE,
            "Unable to handle kernel NULL pointer dereference at virtual address 0000",
        ),
        (
            "[   88.2] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [hil-agent:91]",
            Gravity.FAILURE,
            "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [hil-agent:91]",
        ),
        ("kernel BUG at mm/slub.c:305!", Gravity.FAILURE, "kernel BUG at mm/slub.c:305!"),
        (
            "[ 9.1] NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.",
            Gravity.FAILURE,
            "NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.",
        ),
        ("bootrom: watchdog reset", Gravity.FAILURE, "watchdog reset"),
        ("Reset cause: WDOG", Gravity.FAILURE, "Reset cause: WDOG"),
        ("resetting due to watchdog", Gravity.FAILURE, "resetting due to watchdog"),
        (
            "Out of memory: Killed process 91 (hil-agent) total-vm:2000kB",
            Gravity.FAILURE,
            "Out of memory: Killed process 91 (hil-agent) total-vm:2000kB",
        ),
        ("U-Boot SPL 2022.04 (Apr 04 2022)", Gravity.STARTED, "U-Boot SPL 2022.04 (Apr 04 2022)"),
        ("[ 1.0] reboot: Restarting system", Gravity.STARTED, "reboot: Restarting system"),
        ("raspberrypi login: ", Gravity.BOOTED, "raspberrypi login:"),
    ],
)
def test_what_a_board_prints_when_it_fails_or_starts_is_known(
    line: str, gravity: Gravity, text: str
) -> None:
    assert sign_of(line, SHIPPED_PATTERNS) == (gravity, text)
    assert is_failure(text) is (gravity >= Gravity.FAILURE)


@pytest.mark.parametrize(
    "line",
    [
        "[    1.374883]  panic+0x184/0x364",
        "[   12.3] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---",
        "[    1.038825] bcm2835-wdt bcm2835-wdt: Broadcom BCM2835 watchdog timer",
        "systemd[1]: Using hardware watchdog 'Broadcom BCM2835 Watchdog timer', version 0",
        "[    0.6] sp805-wdt 2a490000.wdt: registration successful, timeout=60 sec, nowayout=0",
        "[    0.0] NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.",
        "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]",
        "DEBUG: all is well",
    ],
)
def test_what_a_board_prints_when_all_is_well_says_nothing(line: str) -> None:
    assert sign_of(line, SHIPPED_PATTERNS) is None


def test_a_long_line_is_shortened() -> None:
    (_, text) = sign_of("Kernel panic - " + "x" * 300, SHIPPED_PATTERNS) or (None, "")
    assert text.startswith("Kernel panic - xxx") and text.endswith("xxx...") and len(text) == 110


def test_own_patterns_are_failures() -> None:
    patterns = (*SHIPPED_PATTERNS, *own_patterns([r"E_FLASH: \d+", "brown-?out"]))
    assert sign_of("t=3 E_FLASH: 17 at 0x40", patterns) == (Gravity.FAILURE, "E_FLASH: 17 at 0x40")
    assert sign_of("all is well", patterns) is None
    assert is_failure("E_FLASH: 17 at 0x40")


BENCH = 'schema: 1\nboards: [{name: left, port: /dev/ttyUSB0}]\nconsole_patterns: ["%s"]\n'
SCENARIO = "schema: 1\nworkload: sha256\nframes: 10\nrig: {scheme: simplex}\n%s\n"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("E_FLASH: (", "`E_FLASH: (` is not a regular expression: missing )"),
        (".*", "matches every line; expected a regular expression for a part of a line"),
    ],
)
def test_an_own_pattern_that_is_none_is_refused(expression: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_bench(BENCH % expression)
    (problem,) = caught.value.problems
    assert problem.path == "$.console_patterns[0]" and problem.line == 3 and words in str(problem)
    with pytest.raises(ConfigError, match=r"console_patterns\[0\]"):
        parse_scenario(SCENARIO % f'console_patterns: ["{expression}"]')


@pytest.mark.parametrize(
    ("line", "patterns"),
    [("", ("E_FLASH",)), ("console_patterns: [E_RAM]", ("E_RAM", "E_FLASH"))],
)
def test_the_patterns_of_a_bench_are_added_to_those_of_the_scenario(
    tmp_path: Path, line: str, patterns: tuple[str, ...]
) -> None:
    scenario, file = tmp_path / "s.yaml", tmp_path / "bench.yaml"
    scenario.write_text(SCENARIO % line)
    file.write_text(BENCH % "E_FLASH")
    assert load(str(scenario), Overrides(bench=file)).scenario.console_patterns == patterns
