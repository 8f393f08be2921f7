//! Functions on times: all in UTC, and now is when the run says it is.

use jaq_core::RunPtr;
use jaq_core::native::{Filter, bome, unary, v};
use jaq_std::ValT as _;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::{Timestamp, Zoned, tz};

use super::super::meter;
use super::super::value::{Error, Kind, Val, ValR, normal};
use super::Cage;

/// Bytes that a format may have; a directive can pad to 255 characters.
const MAX_FORMAT_BYTES: usize = 256;

/// The natives of this file.
pub(super) fn natives() -> Vec<Filter<RunPtr<Cage>>> {
    vec![
        ("now", v(0), |_| bome(Ok(normal(meter::now_ms() as f64 / 1_000.0)))),
        ("fromdateiso8601", v(0), |cv| bome(from_date(&cv.1))),
        ("strftime", v(1), |cv| unary(cv, |value, format| format_time(&value, &format))),
        ("strptime", v(1), |cv| unary(cv, |value, format| parse_time(&value, &format))),
        ("mktime", v(0), |cv| bome(zoned(&cv.1).map(|zoned| seconds(zoned.timestamp())))),
        ("gmtime", v(0), |cv| bome(zoned(&cv.1).map(|zoned| broken_down(zoned.datetime())))),
    ]
}

fn seconds(time: Timestamp) -> Val {
    match time.subsec_nanosecond() {
        0 => Val::from_integer(i128::from(time.as_second())),
        _ => normal(time.as_microsecond() as f64 / 1_000_000.0),
    }
}

fn from_date(value: &Val) -> ValR {
    let refused = |error| Error::str(format_args!("{value} is no date as in 2015-03-05T23:51:47Z: {error}"));
    value.try_text()?.parse::<Timestamp>().map(seconds).map_err(refused)
}

/// Reads a time: seconds since the Unix epoch, or an array of year, month from 0, day, hours, minutes and seconds.
fn zoned(value: &Val) -> Result<Zoned, Error> {
    let refused =
        || Error::str(format_args!("{value} is no time: neither seconds nor an array of its parts"));
    let time = match &value.kind {
        Kind::Int(seconds) => Timestamp::from_second(*seconds).map_err(|_| refused())?,
        Kind::Float(seconds) => {
            Timestamp::from_microsecond((seconds * 1_000_000.0) as i64).map_err(|_| refused())?
        }
        Kind::Array(array) => return from_parts(array.items()).ok_or_else(refused),
        _ => return Err(refused()),
    };
    Ok(time.to_zoned(tz::TimeZone::UTC))
}

fn from_parts(parts: &[Val]) -> Option<Zoned> {
    let [year, month, day, hour, minute, second] = parts.get(..6)? else { return None };
    let small = |value: &Val| value.as_isize().and_then(|value| i8::try_from(value).ok());
    let second = second.as_f64().filter(|second| (0.0..61.0).contains(second))?;
    let date = DateTime::new(
        year.as_isize()?.try_into().ok()?,
        small(month)?.checked_add(1)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        second.floor() as i8,
        (second.fract() * 1e9) as i32,
    );
    date.ok()?.to_zoned(tz::TimeZone::UTC).ok()
}

fn broken_down(date: DateTime) -> Val {
    let number = |value: i64| Val::from_integer(i128::from(value));
    let second = f64::from(date.second()) + f64::from(date.subsec_nanosecond()) / 1e9;
    [
        number(date.year().into()),
        number(i64::from(date.month()) - 1),
        number(date.day().into()),
        number(date.hour().into()),
        number(date.minute().into()),
        normal(second),
        number(date.weekday().to_sunday_zero_offset().into()),
        number(i64::from(date.day_of_year()) - 1),
    ]
    .into_iter()
    .collect()
}

fn checked_format(format: &Val) -> Result<&str, Error> {
    let format = format.try_text()?;
    meter::charge(format.len() as u64);
    if format.len() > MAX_FORMAT_BYTES {
        return Err(Error::str(format_args!("the format of a time has more than {MAX_FORMAT_BYTES} bytes")));
    }
    Ok(format)
}

fn format_time(value: &Val, format: &Val) -> ValR {
    let format = checked_format(format)?;
    let refused = |error| Error::str(format_args!("cannot write a time as {format:?}: {error}"));
    strtime::format(format, &zoned(value)?).map(Val::text).map_err(refused)
}

fn parse_time(value: &Val, format: &Val) -> ValR {
    let format = checked_format(format)?;
    // Names of time zones are looked up in the machine's own database, which differs between machines.
    if format.contains('Q') {
        return Err(Error::str("names of time zones (%Q) are not supported: use an offset (%z)"));
    }
    let refused = |error| Error::str(format_args!("cannot read {value} as a time of {format:?}: {error}"));
    let mut time = BrokenDownTime::parse(format, value.try_text()?.as_bytes()).map_err(refused)?;
    if time.offset().is_none() {
        time.set_offset(Some(tz::Offset::UTC));
    }
    let time = time.to_timestamp().map_err(refused)?;
    Ok(broken_down(time.to_zoned(tz::TimeZone::UTC).datetime()))
}
