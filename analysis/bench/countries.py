"""Two countries in which every resident is modelled: a month of hours."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.bench import child
from analysis.bench.measuring import Figure, Found, Goal, Sample, Session, Sizes

SUBJECT = "countries"
WHOLE = 25_000_000
MONTH_S = 120.0


def measure(sizes: Sizes, session: Session) -> Iterator[Found]:
    """Measure a month of the countries, or as much of it as the limit allows."""
    hours = round(24 * sizes.country_days)
    before = [session.triad.bytes_per_second(2) for _ in range(3)]
    found = child.lived(residents=sizes.countries, hours=hours, limit_s=sizes.country_limit_s)
    bandwidth = Sample(tuple(before + [session.triad.bytes_per_second(2) for _ in range(3)])).median
    done, seconds = found["hours"], found["seconds"]
    whole = seconds * hours / done
    cut = "" if done == hours else f"; stopped after {done} of {hours} hours, the rest in proportion"
    shares = ", ".join(f"{100 * found['shares'][s]:.1f} % {s}" for s in ("mobilised", "sheltering", "displaced"))
    yield Figure(
        key="month", what=f"{sizes.countries:,} residents: {hours} hours", sample=Sample.of(whole), unit="s",
        goal=Goal(MONTH_S) if sizes.countries >= WHOLE else None,
        note=f"{whole * 1e9 / hours / sizes.countries:.2f} ns a resident-hour, {found['cpu_s'] / seconds:.2f} "
        f"processors busy; at the end {shares}{cut}",
        kept=Sample.of(whole * bandwidth / hours / sizes.countries), kept_unit="B of triad a resident-hour",
    )  # fmt: skip
    yield Figure(
        key="month_set_up", what=f"{sizes.countries:,} residents: set-up", sample=Sample.of(found["set_up_s"]),
        unit="s", note=f"{found['set_up_cpu_s']:.1f} s of CPU",
    )  # fmt: skip
    yield Figure(
        key="month_peak_mb", what=f"{sizes.countries:,} residents: memory, at most",
        sample=Sample.of(found["peak_mb"]), unit="MB", note=f"{found['base_mb']:.0f} MB of it before the scenario",
    )  # fmt: skip
