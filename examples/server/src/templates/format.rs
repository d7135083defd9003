//! Numbers and times as people of a locale write them, by the rules of Unicode's CLDR. Times are UTC on a clock of 24
//! hours: where a reader lives is not known. This module must never fail: a rule that is missing gives the general
//! form.

use icu_datetime::{
    DateTimeFormatterPreferences, FixedCalendarDateTimeFormatter, NoCalendarFormatter,
    fieldsets::{T, YMD},
    input::{Date, DateTime, Time},
    preferences::HourCycle,
};
use icu_plurals::{PluralCategory, PluralRules};
use minijinja::{Error, ErrorKind, State, Value, value::Kwargs};
use time::{OffsetDateTime, UtcOffset};

use crate::locale::Locale;

/// `14:05 UTC`.
pub(super) fn time(at: OffsetDateTime, locale: &Locale) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    let written = NoCalendarFormatter::try_new(preferences(locale), T::hm()).ok().zip(clock(at));
    let general = || format!("{:02}:{:02}", at.hour(), at.minute());
    let written = written.map_or_else(general, |(formatter, time)| formatter.format(&time).to_string());
    format!("{written} UTC")
}

/// `November 25, 2026 at 14:05 UTC`.
pub(super) fn date_and_time(at: OffsetDateTime, locale: &Locale) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    let date = Date::try_new_gregorian(at.year(), u8::from(at.month()), at.day()).ok();
    let formatter =
        FixedCalendarDateTimeFormatter::try_new(preferences(locale), YMD::long().with_time_hm()).ok();
    let written = formatter.zip(date.zip(clock(at)));
    let general = || format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute());
    let written = written.map_or_else(general, |(formatter, (date, time))| {
        formatter.format(&DateTime { date, time }).to_string()
    });
    format!("{written} UTC")
}

fn preferences(locale: &Locale) -> DateTimeFormatterPreferences {
    let mut preferences = DateTimeFormatterPreferences::from(locale.cldr());
    preferences.hour_cycle = Some(HourCycle::H23);
    preferences
}

fn clock(at: OffsetDateTime) -> Option<Time> {
    Time::try_new(at.hour(), at.minute(), 0, 0).ok()
}

/// The filter `plural`: `{{ minutes | plural(one="minute", other="minutes") }}` chooses by the rules of the template's
/// locale among `zero`, `one`, `two`, `few`, `many` and `other`. What is not given is as `other`.
pub(super) fn plural(state: &State<'_, '_>, count: u64, forms: Kwargs) -> Result<Value, Error> {
    let form = |name: &str| forms.get::<Option<String>>(name);
    let other = form("other")?.ok_or_else(|| {
        Error::new(
            ErrorKind::MissingArgument,
            "plural needs the form \"other\", as in plural(one=\"minute\", other=\"minutes\")",
        )
    })?;
    let [zero, one, two, few, many] =
        [form("zero")?, form("one")?, form("two")?, form("few")?, form("many")?];
    forms.assert_all_used()?;
    let locale = state.lookup("locale").and_then(|locale| locale.as_str()?.parse::<Locale>().ok());
    let rules = locale.and_then(|locale| PluralRules::try_new(locale.cldr().into(), Default::default()).ok());
    let chosen = match rules.map(|rules| rules.category_for(count)) {
        Some(PluralCategory::Zero) => zero,
        Some(PluralCategory::One) => one,
        Some(PluralCategory::Two) => two,
        Some(PluralCategory::Few) => few,
        Some(PluralCategory::Many) => many,
        Some(PluralCategory::Other) | None => None,
    };
    Ok(Value::from(chosen.unwrap_or(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_do() {
        let at = OffsetDateTime::from_unix_timestamp(1_795_615_530).ok();
        for (locale, time_alone, both) in [
            ("en", "14:05 UTC", "November 25, 2026 at 14:05 UTC"),
            ("en-GB", "14:05 UTC", "25 November 2026 at 14:05 UTC"),
            ("de", "14:05 UTC", "25. November 2026 um 14:05 UTC"),
            ("fr", "14:05 UTC", "25 novembre 2026 à 14:05 UTC"),
            ("tlh", "14:05 UTC", "2026 M11 25 14:05 UTC"),
        ] {
            let written = at
                .zip(locale.parse().ok())
                .map(|(at, locale)| [time(at, &locale), date_and_time(at, &locale)]);
            assert_eq!(written, Some([time_alone.to_owned(), both.to_owned()]));
        }
    }
}
