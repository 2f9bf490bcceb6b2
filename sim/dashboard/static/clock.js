// Steps of a run told as local dates of its scenario, and ticks on a line of dates. A lattice has no calendar: there
// a step is a step.

const HOUR_MS = 3600000, DAY_MS = 24 * HOUR_MS;
const DAYS_BETWEEN = [1, 2, 3, 5, 7, 14];
const MONTHS_BETWEEN = [1, 2, 3, 4, 6, 12, 24, 60, 120];
const DAYS_A_MONTH = 30.44;
const COUNTS = [1, 2, 5];

class Clock {
  // `said` has start (ms since 1970), step_ms, zone and days, the first step of each local day: `chart_view.clock`.
  constructor(said) {
    Object.assign(this, said);
    const parts = (options) => new Intl.DateTimeFormat("en-GB", { ...options, timeZone: this.zone || "UTC" });
    this.hours = parts({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    this.weekdays = parts({ weekday: "short" });
    const [day, month, year] = parts({ day: "numeric", month: "numeric", year: "numeric" }).format(this.start).split("/");
    this.first = Date.UTC(year, month - 1, day);
    this.names = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
    this.months = new Intl.DateTimeFormat("en-GB", { month: "short", timeZone: "UTC" });
  }

  // "Mon 20 May 2013, 21:00"
  told(step) {
    if (!this.zone) return `step ${count(step)}`;
    const when = this.start + step * this.step_ms;
    return `${this.weekdays.format(when)} ${this.hours.format(when)}`;
  }

  dayOf(step) {
    let low = 0, high = this.days.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.days[middle] <= step) low = middle; else high = middle;
    }
    return low;
  }

  // "Mon 20 May 2013"
  toldDay(step) {
    return this.zone ? this.told(step).split(",")[0] : this.told(step);
  }

  // Ticks over `steps` on a line so many pixels wide: [{step, text, under}], at least `apart` pixels from each other.
  ticks(steps, pixels, apart) {
    const a_day = this.zone ? pixels / steps * (DAY_MS / this.step_ms) : 0;
    if (!this.zone) return this.plain(steps, pixels, apart);
    const every = DAYS_BETWEEN.find((days) => days * a_day >= apart);
    return this.withYears(every ? this.everyDays(every) : this.everyMonths(a_day, apart));
  }

  everyDays(every) {
    return this.days.flatMap((step, i) => (i % every ? [] : [{ step, date: this.date(i), text: this.names.format(this.date(i)) }]));
  }

  everyMonths(a_day, apart) {
    const every = MONTHS_BETWEEN.find((months) => months * DAYS_A_MONTH * a_day >= apart) ?? MONTHS_BETWEEN.at(-1);
    return this.days.flatMap((step, i) => {
      const date = this.date(i), month = date.getUTCFullYear() * 12 + date.getUTCMonth();
      return date.getUTCDate() === 1 && month % every === 0 ? [{ step, date, text: this.months.format(date) }] : [];
    });
  }

  date(day) {
    return new Date(this.first + day * DAY_MS);
  }

  // The year stands under the first tick, and under the first one of each year.
  withYears(ticks) {
    const year = (tick) => tick?.date.getUTCFullYear();
    return ticks.map((tick, i) => ({ step: tick.step, text: tick.text, under: year(tick) === year(ticks[i - 1]) ? "" : String(year(tick)) }));
  }

  plain(steps, pixels, apart) {
    const least = steps * apart / pixels, ten = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
    const every = [...COUNTS, 10].map((n) => n * ten).find((n) => n >= least);
    return Array.from({ length: Math.floor((steps - 1) / every) + 1 }, (_, i) => ({ step: i * every, text: count(i * every), under: i ? "" : "step" }));
  }
}
